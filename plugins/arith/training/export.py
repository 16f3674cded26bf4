"""Export a checkpoint of the recogniser as the plugin's packaged model, with its card.

    python plugins/arith/training/export.py --checkpoint data/runs/arith/checkpoint.npz

It ends with the threshold for registry.toml. ``--calibrate`` leaves the model as it is
and measures its confidences anew.
"""

from subject import SUBJECT

from loupette.toolkit.commands import export_command

if __name__ == "__main__":
    export_command(__doc__, SUBJECT)
