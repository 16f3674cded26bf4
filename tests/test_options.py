"""Options: checked before solving, held against the answer after it."""

from decimal import Decimal

import pytest

from loupette.errors import BadField, LowConfidence, OptionsBroken, UnsupportedOption
from loupette.options import accepted_options, check_options, hold_to_options
from loupette.plugin import TEXT_OPTIONS, Answer, Option, OptionValue, SolverSpec

WIDTH = Option("width", "integer", "宽度", "width", minimum=1, maximum=9)
SCALE = Option("scale", "number", "比例", "scale", minimum=0.5, maximum=2)


def make_spec(*options: Option) -> SolverSpec:
    return SolverSpec(61001, "名", "name", Decimal("0.01"), object, bytes, "a", options=options)  # type: ignore[arg-type]  # never loaded


TEXT = make_spec(*TEXT_OPTIONS, WIDTH, SCALE)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"charset": "0123456789"},
        {"min_length": 1, "max_length": 64},
        {"min_length": 4, "max_length": 4},
        {"case": "upper"},
        {"min_confidence": 0.5},
        {"min_confidence": 1},
        {"width": 9, "scale": 0.5},
        {"scale": 1},
    ],
)
def test_options_in_range_are_taken_as_they_are(options: dict[str, OptionValue]) -> None:
    assert check_options(options, TEXT) == options


def test_null_counts_as_absent() -> None:
    assert check_options({"charset": None, "min_confidence": None}, TEXT) == {}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"charset": ""}, "options.charset has 0 characters"),
        ({"charset": "x" * 201}, "options.charset has 201 characters"),
        ({"charset": ["a"]}, "options.charset must be a text"),
        ({"charset": 7}, "options.charset must be a text"),
        ({"min_length": 0}, "options.min_length is 0, must be within 1 and 64"),
        ({"min_length": 65}, "within 1 and 64"),
        ({"min_length": "4"}, "options.min_length must be an integer"),
        ({"min_length": 4.0}, "options.min_length must be an integer"),
        ({"max_length": True}, "options.max_length must be an integer"),
        ({"min_length": 5, "max_length": 4}, "min_length 5 is above options.max_length 4"),
        ({"case": "UPPER"}, "must be one of keep, upper, lower"),
        ({"case": ["upper"]}, "must be one of"),
        ({"case": {}}, "must be one of"),
        ({"min_confidence": "0.9"}, "options.min_confidence must be a number"),
        ({"min_confidence": True}, "must be a number"),
        ({"min_confidence": -0.1}, "within 0 and 1"),
        ({"min_confidence": 1.5}, "within 0 and 1"),
        ({"min_confidence": float("nan")}, "within 0 and 1"),
        ({"min_confidence": float("inf")}, "within 0 and 1"),
        ({"width": 10**30}, "within 1 and 9"),
        ({"scale": 2.1}, "within 0.5 and 2"),
    ],
)
def test_a_wrong_value_is_refused_naming_the_option(
    options: dict[str, object], complaint: str
) -> None:
    with pytest.raises(BadField) as caught:
        check_options(options, TEXT)
    assert complaint in caught.value.message


@pytest.mark.parametrize("name", ["charsets", "", "CHARSET", "threshold"])
def test_an_option_the_type_does_not_take_is_refused_listing_the_others(name: str) -> None:
    with pytest.raises(UnsupportedOption, match="it takes charset, min_length"):
        check_options({name: 1}, TEXT)


def test_an_unknown_option_is_shown_in_part() -> None:
    with pytest.raises(UnsupportedOption) as caught:
        check_options({"x" * 1_000_000: 1}, TEXT)
    assert len(caught.value.message) < 200


def test_even_null_does_not_make_an_unknown_option_known() -> None:
    with pytest.raises(UnsupportedOption):
        check_options({"colour": None}, TEXT)


def test_every_type_takes_min_confidence() -> None:
    bare = make_spec()
    assert [option.name for option in accepted_options(bare)] == ["min_confidence"]
    assert check_options({"min_confidence": 0.5}, bare) == {"min_confidence": 0.5}


def hold(result: str, **options: OptionValue) -> None:
    hold_to_options(Answer(result, 0.9), options, min_confidence=0.0)


def keeps(result: str, **options: OptionValue) -> bool:
    try:
        hold(result, **options)
    except OptionsBroken:
        return False
    return True


@pytest.mark.parametrize(
    ("result", "options"),
    [
        ("aB3", {}),
        ("123", {"charset": "0123456789"}),
        ("abcd", {"min_length": 4, "max_length": 4}),
        ("AB12", {"case": "upper"}),
        ("ab12", {"case": "lower"}),
        ("aB12", {"case": "keep"}),
    ],
)
def test_an_answer_within_the_options_passes(result: str, options: dict[str, OptionValue]) -> None:
    assert keeps(result, **options)


@pytest.mark.parametrize(
    ("result", "options"),
    [
        ("12a", {"charset": "0123456789"}),
        ("abc", {"min_length": 4}),
        ("abcde", {"max_length": 4}),
        ("aB12", {"case": "upper"}),
        ("aB12", {"case": "lower"}),
    ],
)
def test_an_answer_that_breaks_an_option_is_a_failure(
    result: str, options: dict[str, OptionValue]
) -> None:
    (name,) = options
    with pytest.raises(OptionsBroken, match=f"options.{name}"):
        hold(result, **options)


def test_a_plugins_own_variant_of_a_text_option_binds_too() -> None:
    charset = Option("charset", "text", "字符", "alphabet", maximum=10)
    asked = check_options({"charset": "0123"}, make_spec(charset))
    with pytest.raises(OptionsBroken, match=r"options\.charset"):
        hold("abc", **asked)


def confide(confidence: float, *, posted: float | None, type_min: float) -> None:
    options = {} if posted is None else {"min_confidence": posted}
    hold_to_options(Answer("x", confidence), options, min_confidence=type_min)


@pytest.mark.parametrize(("posted", "type_min"), [(None, 0.5), (0.5, 0.9), (0.5, 0.0)])
def test_the_callers_threshold_holds_before_the_types(
    posted: float | None, type_min: float
) -> None:
    confide(0.5, posted=posted, type_min=type_min)
    with pytest.raises(LowConfidence) as caught:
        confide(0.49, posted=posted, type_min=type_min)
    assert caught.value.detail == {"confidence": 0.49, "min_confidence": 0.5}
