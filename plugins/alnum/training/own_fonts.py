"""Make an asset folder of one's own fonts, for generate.py --assets.

python plugins/alnum/training/own_fonts.py ~/fonts data/own/assets
"""

import argparse
import shutil
from itertools import count
from pathlib import Path

from loupette.toolkit.synth.fonts import held_out, scan_fonts

SUFFIXES = (".ttf", ".otf", ".ttc")


def link_fonts(source: Path, target: Path) -> int:
    """Link the fonts of a folder, and of those below it, into a fresh folder; returns how many.

    The drawing holds one family in 16 back and takes three files of a family at most, by the first
    word of the name. Of a few own fonts none should be left out, so each link is a family of its
    own, by a name that is not held back.
    """
    fonts = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    families = (f"own{number}" for number in count() if not held_out(f"own{number}"))
    for font, family in zip(fonts, families, strict=False):
        (target / f"{family}-{font.name}").symlink_to(font.resolve())
    return len(fonts)


def main() -> None:
    """Link fonts, and what else drawing needs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fonts", type=Path, help="folder of .ttf, .otf and .ttc files")
    parser.add_argument("out", type=Path, help="asset folder; its links are made anew")
    parser.add_argument("--assets", type=Path, default=Path("data/assets"), help="the usual ones")
    args = parser.parse_args()
    found = link_fonts(args.fonts, args.out / "fonts/latin")
    for name in ("photos", "fonts/cjk"):
        link = args.out / name
        link.unlink(missing_ok=True)
        if (args.assets / name).exists():
            link.symlink_to((args.assets / name).resolve())
    usable = len(scan_fonts(args.out / "fonts/latin"))
    if not usable:
        parser.error(f"no usable fonts in {args.fonts}: {found} files looked at")
    print(f"{usable} usable fonts of {found} files")


if __name__ == "__main__":
    main()
