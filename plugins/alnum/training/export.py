"""Package a checkpoint for serving: LiteRT model and card.json in the plugin's weights folder.

    python plugins/alnum/training/export.py --checkpoint data/runs/alnum/checkpoint.npz

It ends with the threshold for registry.toml. ``--calibrate`` leaves the model as it is
and measures its confidences anew.
"""

from subject import SUBJECT

from loupette.toolkit.commands import export_command

if __name__ == "__main__":
    export_command(__doc__, SUBJECT)
