"""What the recogniser reads and at which size; training and serving share it."""

from loupette.toolkit.ctc import Alphabet

HEIGHT, WIDTH = 48, 160

ARABIC = "0123456789+-×÷*/=?"
PLAIN = "零一二三四五六七八九十百两"
BANKING = "壹贰叁肆伍陆柒捌玖拾"
WORDS = "加减乘除以等于几多少上去"
LETTERS = "abdeilmnpqstuvy"
"""Of plus, minus, times, divided by and equals, in either case."""

ALPHABET = Alphabet(ARABIC + PLAIN + BANKING + WORDS + LETTERS)
"""What looks the same is one symbol: ``x`` is read as ``×``."""
