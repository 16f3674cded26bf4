"""``train.py`` and ``export.py`` of a plugin that reads text: the same commands for each.

Needs the ``train`` extra.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from loupette.toolkit.dormant import recycle_on_shards
from loupette.toolkit.factoring import factor
from loupette.toolkit.finetune import adapt, take_drawn, take_labelled
from loupette.toolkit.subject import Subject
from loupette.toolkit.training import Run, save_weights, train

Graft = Callable[[Path, Path], Path]
"""Rewrites weights of another plugin's model (first) for this one's (second), which it returns."""


def train_command(about: str, subject: Subject, *, graft: Graft | None = None) -> None:
    """Train, or fine-tune on pictures or fonts of one's own.

    Args:
        about: the script's docstring, its first line is the help.
        subject: the plugin.
        graft: makes what ``--graft`` names fit; without it there is no such option.
    """
    data = Path("data")
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--shards", type=Path, default=data / "train" / subject.name)
    parser.add_argument("--run", type=Path, help=f"default data/runs/{subject.name}, or data/own/")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--init", type=Path, help="weights of this model to start from")
    start.add_argument("--factor", type=Path, help="the same, of which a cheaper model is made")
    if graft:
        start.add_argument("--graft", type=Path, help="the same of another plugin's model")
    parser.add_argument(
        "--teacher", type=Path, help="weights of the model this one was made of, to learn from"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--recycle", action="store_true", help="first give dormant units new weights"
    )
    parser.add_argument("--save", type=Path, help="at the end, keep the weights alone, as float16")
    own = parser.add_mutually_exclusive_group()
    own.add_argument("--labelled", type=Path, help="fine-tune on a folder with labels.csv")
    own.add_argument("--drawn", type=Path, help="fine-tune on shards drawn in fonts of one's own")
    parser.add_argument("--out", type=Path, default=data / "own" / subject.name / "weights")
    parser.add_argument("--steps", type=int, default=600, help="of fine-tuning, at most")
    args = parser.parse_args()
    tuning = args.labelled or args.drawn
    run = Run(
        folder=args.run or data / ("own" if tuning else "runs") / subject.name,
        shards=args.shards / "train",
        held=args.shards / "held",
        alphabet=subject.alphabet,
        height=subject.height,
        width=subject.width,
        seed=args.seed,
    )
    if tuning:
        take = take_labelled if args.labelled else take_drawn
        try:
            pictures, cases = take(run, subject, tuning)
        except (ValueError, OSError) as error:  # what the user brought is not as it should be
            parser.error(str(error))
        init = args.init or subject.training / "weights.npz"
        how = {"package": _package, "init": init, "out": args.out, "steps": args.steps}
        print(adapt(run, subject, pictures, cases, **how))
        return
    init = args.init
    if args.factor and not run.checkpoint.exists():  # it takes a minute
        init = factor(args.factor, run, run.folder / "start.npz")
    if graft and args.graft:
        init = graft(args.graft, run.folder / "start.npz")
    first = recycle_on_shards if args.recycle else None
    trainer = train(run, init=init, first=first, teacher=args.teacher)
    if args.save:
        save_weights(trainer, args.save)


def _package(subject: Subject, checkpoint: Path, held: Path, out: Path) -> None:
    """Export a checkpoint into a weights folder, calibrated on shards."""
    command = [sys.executable, str(subject.training / "export.py"), "--checkpoint", str(checkpoint)]
    # Only TensorFlow writes LiteRT models.
    env = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    subprocess.run([*command, "--held", str(held), "--out", str(out)], env=env, check=True)


def export_command(about: str, subject: Subject) -> None:
    """Package a checkpoint with its card, or calibrate the packaged model anew.

    Args:
        about: the script's docstring, its first line is the help.
        subject: the plugin.
    """
    # Loaded here: training goes on on other backends, exporting takes TensorFlow.
    from loupette.toolkit.calibration import recommendation
    from loupette.toolkit.export import calibrate, export

    checkpoint = Path("data/runs") / subject.name / "checkpoint.npz"
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=checkpoint)
    parser.add_argument("--held", type=Path, default=Path("data/train") / subject.name / "held")
    parser.add_argument("--out", type=Path, default=subject.packaged)
    parser.add_argument(
        "--calibrate", action="store_true", help="leave the model, rewrite the card"
    )
    parser.add_argument("--count", type=int, default=4000, help="held-out pictures used at most")
    parser.add_argument("--plot", type=Path, help="draw accuracy over confidence, as PNG")
    parser.add_argument("--earlier", type=Path, help="weights of which 0.3 go into the model")
    args = parser.parse_args()
    how = {"held": args.held, "count": args.count, "plot": args.plot}
    if args.calibrate:
        card = calibrate(subject, args.out, **how)
    else:
        card = export(subject, args.checkpoint, args.out, **how, earlier=args.earlier)
    print(card["trained"], card["weights"], card["float32_exact"], card["held_out"]["exact"])
    print(recommendation(card, subject.type_id))
