"""Train the alphanumeric model, or fine-tune it; run again to go on from a checkpoint.

    python plugins/alnum/training/train.py --init plugins/alnum/training/weights.npz

With ``--labelled FOLDER`` or ``--drawn FOLDER`` it fine-tunes the plugin on pictures of one's own,
and writes a weights folder with a report: README.md beside this file.
"""

from subject import SUBJECT

from loupette.toolkit.commands import train_command

if __name__ == "__main__":
    train_command(__doc__, SUBJECT)
