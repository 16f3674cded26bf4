"""What plugin authors test with: the checks that every type must pass, and help for own tests.

Installed, it is a pytest plugin, too; a plugin's whole conformance test is::

    @pytest.mark.loupette_plugin("loupette_dots")
    def test_conformance(conformance):
        assert conformance() is None

It runs once for each type and check. Without pytest: ``loupette plugin check loupette-dots``.
"""

from loupette.testing.conformance import CHECKS, Check, NotMet
from loupette.testing.pictures import hostile_images, make_challenge
from loupette.testing.subject import Subject, find_subjects

__all__ = [
    "CHECKS",
    "Check",
    "NotMet",
    "Subject",
    "find_subjects",
    "hostile_images",
    "make_challenge",
]
