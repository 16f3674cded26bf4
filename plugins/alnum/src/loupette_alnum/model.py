"""What training and serving of this plugin share: the symbols and the size of the input."""

from loupette.toolkit.ctc import Alphabet

HEIGHT = 48
WIDTH = 160
"""The model's input in pixels. Keeping the aspect read no better and cost more."""

ALPHABET = Alphabet("0123456789abcdefghijklmnopqrstuvwxyz", fold_case=True)
"""Case is folded: many captcha fonts draw capitals for both, and answers seldom depend on it."""
