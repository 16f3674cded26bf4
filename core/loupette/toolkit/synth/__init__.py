"""Drawing text pictures for training: fonts, styles, clutter, warps; seeded, numpy and OpenCV.

Needs the ``train`` extra. Serving imports nothing of this.
"""

from loupette.toolkit.synth.drawing import Studio, draw_text
from loupette.toolkit.synth.fonts import FontBook
from loupette.toolkit.synth.sheet import write_sheet
from loupette.toolkit.synth.style import Style, draw_style
from loupette.toolkit.synth.texts import draw_alnum

__all__ = ["FontBook", "Studio", "Style", "draw_alnum", "draw_style", "draw_text", "write_sheet"]
