"""Workers on the machines of a Ray cluster, for types with ``executor = "ray"``.

``nodes`` is in the server and imports nothing of Ray: it starts a `bridge`, a process of its own
that belongs to the cluster, and so ends with it where Ray thinks fit. On the other machines runs
`remote`, with the packages that the bridge sent there.
"""
