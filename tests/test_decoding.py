"""Untrusted text and bytes: read as people send them, or refused by name."""

import base64
import io
import random
import struct
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from loupette import decoding
from loupette.decoding import (
    FORMATS,
    ImageLimits,
    decode_base64,
    decode_picture,
    heed_warnings,
)
from loupette.errors import (
    BadBase64,
    BadImage,
    BrokenImage,
    ImageTooLarge,
    NotAnImage,
    TooManyFrames,
)
from loupette.plugin import Picture
from mutation import mutate

Spell = Callable[[str], str]

SPELLINGS: dict[str, Spell] = {
    "plain": str,
    "data-url": lambda text: f"data:image/png;base64,{text}",
    "data-url-upper-case": lambda text: f"DATA:IMAGE/PNG;BASE64,{text}",
    "data-url-without-a-kind": lambda text: f"data:,{text}",
    "indented-data-url": lambda text: f"\n  data:image/png;base64,{text}\n",
    "lines-of-76": lambda text: "\r\n".join(text[i : i + 76] for i in range(0, len(text), 76)),
    "blanks-around": lambda text: f" \t{text}\n",
    "url-safe": lambda text: text.replace("+", "-").replace("/", "_"),
    "no-padding": lambda text: text.rstrip("="),
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded-lower-case": lambda text: quote(text, safe="").replace("%2B", "%2b"),
    "percent-encoded-lines": lambda text: quote(text + "\r\n \t", safe=""),
    "percent-encoded-data-url": lambda text: quote(f"data:image/png;base64,{text}", safe=""),
    "url-safe-without-padding": lambda text: text.replace("+", "-").replace("/", "_").rstrip("="),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@given(data=st.binary(min_size=1, max_size=300))
@example(data=b"\xfb\xff\xfe")  # gives + and /
def test_base64_is_read_in_every_usual_spelling(spell: Spell, data: bytes) -> None:
    assert decode_base64(spell(base64.b64encode(data).decode())) == data


@pytest.mark.parametrize(
    "text",
    ["", " ", "=", "====", "data:image/png;base64,", "data:image/png;base64", "A", "AAAAA", "AA*A",
     "ÄÖÜß", "AAAA\x00", "\ud800", "%", "%ZZ", "https://example.com/captcha.png", "AA=A",
     "%41%41%41%41"],
)  # fmt: skip
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(BadBase64):
        decode_base64(text)


@given(st.text(max_size=300) | st.text("ABCab01+/=-_% \ndata:;,", max_size=60))
def test_any_text_gives_bytes_or_a_bad_image(text: str) -> None:
    with suppress(BadImage):
        assert decode_base64(text)


@pytest.mark.parametrize("piece", ["%41", "%2B", "A ", "=%3d", "-_"])
def test_the_dearest_text_is_decoded_in_a_moment(piece: str) -> None:
    """Unquoting any escape took 4 s for a field of 12 MB."""
    started_s = time.process_time()
    with suppress(BadImage):
        decode_base64(piece * (6 * 2**20 // len(piece)))
    assert time.process_time() - started_s < 0.3


def test_base64_of_more_bytes_than_the_limit_is_refused() -> None:
    limits = ImageLimits(max_bytes=100)
    assert len(decode_base64(base64.b64encode(bytes(100)).decode(), limits=limits)) == 100
    with pytest.raises(ImageTooLarge, match="101 bytes"):
        decode_base64(base64.b64encode(bytes(101)).decode(), limits=limits)


def test_text_far_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(ImageTooLarge):
        decode_base64("*" * 401, limits=ImageLimits(max_bytes=100))


def save(image: Image.Image, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def noise(shape: tuple[int, ...], kind: type = np.uint8, seed: int = 1) -> npt.NDArray[np.generic]:
    top = int(np.iinfo(kind).max)
    return np.random.default_rng(seed).integers(0, top, shape, kind, endpoint=True)


def first_rgb(data: bytes) -> npt.NDArray[np.uint8]:
    return decode_picture(data).rgb


@pytest.mark.parametrize("format_", ["png", "bmp", "webp"])
def test_lossless_formats_keep_every_pixel(format_: str) -> None:
    pixels = noise((12, 17, 3))
    picture = decode_picture(save(Image.fromarray(pixels), format_.upper(), lossless=True))
    assert (picture.format, picture.width, picture.height) == (format_, 17, 12)
    np.testing.assert_array_equal(picture.rgb, pixels)


def test_jpeg_is_read_close_to_the_original() -> None:
    pixels = np.full((16, 24, 3), (200, 40, 90), np.uint8)
    picture = decode_picture(save(Image.fromarray(pixels), "JPEG", quality=95))
    assert picture.format == "jpeg"
    assert np.abs(picture.rgb.astype(int) - pixels).max() <= 4


def test_grey_is_read_as_equal_channels() -> None:
    pixels = noise((9, 9))
    np.testing.assert_array_equal(
        first_rgb(save(Image.fromarray(pixels), "PNG")), np.stack([pixels] * 3, axis=-1)
    )


def test_16_bit_grey_keeps_its_upper_eight_bits() -> None:
    pixels = noise((9, 13), np.uint16)
    read = first_rgb(save(Image.fromarray(pixels), "PNG"))
    np.testing.assert_array_equal(read[..., 0], pixels >> 8)
    np.testing.assert_array_equal(read[..., 0], read[..., 2])


def test_16_bit_colour_keeps_its_upper_eight_bits() -> None:
    samples = np.array([[0x1234, 0xABCD, 0xFF00]], ">u2")
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    data = png(header, b"\x00" + samples.tobytes())
    assert first_rgb(data).tolist() == [[[0x12, 0xAB, 0xFF]]]


def test_one_bit_images_are_black_and_white() -> None:
    image = Image.new("1", (3, 1))
    image.putdata([0, 255, 0])
    assert first_rgb(save(image, "PNG"))[0, :, 0].tolist() == [0, 255, 0]


def test_palette_images_give_their_colours() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 210, 220])
    image.putdata([0, 1])
    assert first_rgb(save(image, "PNG")).tolist() == [[[10, 20, 30], [200, 210, 220]]]


def test_transparent_palette_entries_are_transparent() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 210, 220])
    image.putdata([0, 1])
    rgba = decode_picture(save(image, "PNG", transparency=0)).rgba
    assert rgba[0, :, 3].tolist() == [0, 255]


def test_alpha_is_kept_and_seen_on_white() -> None:
    pixels = np.array([[(0, 0, 0, 0), (0, 0, 0, 255), (0, 0, 0, 51)]], np.uint8)
    picture = decode_picture(save(Image.fromarray(pixels), "PNG"))
    np.testing.assert_array_equal(picture.rgba, pixels)
    assert picture.rgb[0, :, 0].tolist() == [255, 0, 204]


def test_every_colour_is_put_on_white_at_every_alpha() -> None:
    frames = np.empty((1, 256, 256, 4), np.uint8)
    frames[..., :3], frames[..., 3] = np.arange(256)[:, None, None], np.arange(256)
    colour, alpha = (plane.astype(float) for plane in (frames[..., :3], frames[..., 3:]))
    expected = np.rint((colour * alpha + 255 * (255 - alpha)) / 255)
    assert np.array_equal(Picture(frames, "png").rgb_frames, expected)


def test_grey_with_alpha_is_read() -> None:
    pixels = np.array([[(100, 255), (100, 0)]], np.uint8)
    picture = decode_picture(save(Image.fromarray(pixels, "LA"), "PNG"))
    assert picture.rgba.tolist() == [[[100, 100, 100, 255], [100, 100, 100, 0]]]


@pytest.mark.parametrize(
    ("ink", "colour"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 255, 0, 0), (255, 0, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
    ],
)
def test_cmyk_jpeg_has_its_colours_the_right_way_round(
    ink: tuple[int, ...], colour: tuple[int, ...]
) -> None:
    read = first_rgb(save(Image.new("CMYK", (16, 16), ink), "JPEG", quality=95))
    assert np.abs(read[8, 8].astype(int) - colour).max() <= 6


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP"])
def test_all_frames_of_an_animation_are_read(format_: str) -> None:
    shades = (0, 120, 240)
    images = [Image.new("RGB", (8, 6), (shade,) * 3) for shade in shades]
    data = save(images[0], format_, save_all=True, append_images=images[1:], lossless=True)
    frames = decode_picture(data).rgb_frames
    assert frames.shape == (3, 6, 8, 3)
    assert frames[:, 3, 4, 0].tolist() == list(shades)


def gif_frames(count: int) -> bytes:
    """A GIF of tiny frames, written by hand: Pillow would merge equal ones."""
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes([0, 0, 0, 255, 255, 255])
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return head + frame * count + b";"


def test_as_many_frames_as_the_limit_are_read() -> None:
    limits = ImageLimits(max_frames=5)
    assert len(decode_picture(gif_frames(5), limits=limits).frames) == 5
    with pytest.raises(TooManyFrames, match="5 frames"):
        decode_picture(gif_frames(6), limits=limits)


def test_a_telephones_jpeg_is_its_first_picture_whatever_follows() -> None:
    file = io.BytesIO()
    preview = Image.new("RGB", (8, 6), "red")
    Image.new("RGB", (40, 20), "blue").save(file, "MPO", save_all=True, append_images=[preview])
    picture = decode_picture(file.getvalue())
    assert (picture.format, picture.rgb_frames.shape) == ("jpeg", (1, 20, 40, 3))
    assert picture.rgb[0, 0, 2] > 200


def test_ten_thousand_frames_are_refused_without_being_decoded() -> None:
    started_s = time.monotonic()
    with pytest.raises(TooManyFrames):
        decode_picture(gif_frames(10_000))
    assert time.monotonic() - started_s < 5


def test_frames_count_against_the_pixel_limit() -> None:
    with pytest.raises(TooManyFrames):
        decode_picture(gif_frames(6), limits=ImageLimits(max_pixels=5))


def png(header: bytes, rows: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    data = zlib.compress(rows)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def png_of(width: int, height: int) -> bytes:
    return png(struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def bmp_of(width: int, height: int) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


def gif_of(width: int, height: int) -> bytes:
    return gif_frames(1)[:6] + struct.pack("<HH", width, height) + gif_frames(1)[10:]


@pytest.mark.parametrize("make", [png_of, bmp_of])
@pytest.mark.parametrize(("width", "height"), [(0, 0), (0, 10), (10, 0)])
def test_an_image_without_pixels_is_broken(
    make: Callable[[int, int], bytes], width: int, height: int
) -> None:
    with pytest.raises(BrokenImage):
        decode_picture(make(width, height))


def test_a_gif_without_a_canvas_is_broken_or_has_pixels() -> None:
    # Its canvas grows to its frames.
    with suppress(BrokenImage):
        assert decode_picture(gif_of(0, 0)).frames.size


@pytest.mark.parametrize(
    "data",
    [png_of(60_000, 60_000), png_of(2**31 - 1, 2**31 - 1), png_of(8000, 8000),
     bmp_of(30_000, 30_000), gif_of(65_535, 65_535), png_of(8193, 1)],
    ids=["png", "png-2^31", "png-64-megapixels", "bmp", "gif", "long-side"],
)  # fmt: skip
def test_a_decompression_bomb_is_refused_by_its_header(data: bytes) -> None:
    started_s = time.monotonic()
    with pytest.raises(ImageTooLarge):
        decode_picture(data)
    assert time.monotonic() - started_s < 2


def test_sizes_up_to_the_limits_are_read() -> None:
    limits = ImageLimits(max_side_px=30, max_pixels=600)
    picture = decode_picture(save(Image.new("RGB", (30, 20)), "PNG"), limits=limits)
    assert picture.frames.shape == (1, 20, 30, 4)
    with pytest.raises(ImageTooLarge):
        decode_picture(save(Image.new("RGB", (30, 21)), "PNG"), limits=limits)


def test_a_picture_of_six_megapixels_is_read_and_one_of_nine_is_not() -> None:
    assert decode_picture(save(Image.new("RGB", (3000, 2000)), "PNG")).width == 3000
    with pytest.raises(ImageTooLarge, match="8000000"):
        decode_picture(png_of(3000, 3000))


def test_more_bytes_than_the_limit_are_refused() -> None:
    with pytest.raises(ImageTooLarge, match="bytes"):
        decode_picture(png_of(1, 1), limits=ImageLimits(max_bytes=50))


def example_of(format_: str) -> bytes:
    image = Image.fromarray(noise((24, 32, 3)))
    return save(image, format_.upper())


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_truncated_image_is_broken(format_: str, kept: float) -> None:
    data = example_of(format_)
    with pytest.raises(BrokenImage):
        decode_picture(data[: int(len(data) * kept)])


@pytest.mark.parametrize("format_", FORMATS)
def test_a_bare_beginning_is_broken(format_: str) -> None:
    with pytest.raises(BrokenImage):
        decode_picture(example_of(format_)[:12])


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"this is no image", b"%PDF-1.7", b"<svg xmlns='x'/>", b"II*\x00\x08", b"PK\3\4"],
)  # fmt: skip
def test_bytes_of_no_accepted_format_are_no_image(data: bytes) -> None:
    with pytest.raises(NotAnImage, match="png, jpeg, gif, webp, bmp"):
        decode_picture(data)


def test_a_format_is_known_by_its_bytes_not_read_by_another_parser() -> None:
    with pytest.raises(NotAnImage):
        decode_picture(save(Image.new("RGB", (4, 4)), "TIFF"))


@given(st.sampled_from(FORMATS), st.binary(max_size=200))
def test_random_bytes_behind_a_magic_give_a_picture_or_a_bad_image(
    format_: str, tail: bytes
) -> None:
    assert_picture_or_bad_image(example_of(format_)[:14] + tail)


_NOISE = Image.fromarray(noise((24, 32, 3)))
_EXAMPLES = {format_: example_of(format_) for format_ in FORMATS} | {
    "animation": gif_frames(3),
    "grey16": save(Image.fromarray(noise((9, 13), np.uint16)), "PNG"),
    "palette": save(_NOISE.quantize(16), "PNG", transparency=3),
    "bits": save(_NOISE.convert("1"), "PNG"),
    "progressive": save(_NOISE, "JPEG", progressive=True),
    "cmyk": save(_NOISE.convert("CMYK"), "JPEG"),
    "lossless": save(_NOISE.convert("RGBA"), "WEBP", lossless=True),
    "animated-webp": save(
        _NOISE, "WEBP", save_all=True, append_images=[_NOISE.rotate(90)], duration=50
    ),
    "palette-bmp": save(_NOISE.quantize(16), "BMP"),
}


@pytest.mark.parametrize("name", _EXAMPLES)
@given(seed=st.integers(0, 2**32))
def test_a_mutated_image_gives_a_picture_or_a_bad_image(name: str, seed: int) -> None:
    assert_picture_or_bad_image(mutate(_EXAMPLES[name], random.Random(seed)))


@given(st.sampled_from(sorted(_EXAMPLES)), st.sampled_from(sorted(_EXAMPLES)), st.floats(0, 1))
def test_the_beginning_of_one_image_before_the_end_of_another_gives_a_picture_or_a_bad_image(
    one: str, other: str, share: float
) -> None:
    head, tail = _EXAMPLES[one], _EXAMPLES[other]
    spliced = head[: round(len(head) * share)] + tail[round(len(tail) * share) :]
    assert_picture_or_bad_image(spliced)


@given(st.binary(max_size=400))
def test_random_bytes_give_a_picture_or_a_bad_image(data: bytes) -> None:
    assert_picture_or_bad_image(data)


@given(seed=st.integers(0, 2**32))
def test_mutated_base64_gives_bytes_or_a_bad_image(seed: int) -> None:
    sent = base64.b64encode(_EXAMPLES["png"])
    with suppress(BadImage):
        assert decode_base64(mutate(sent, random.Random(seed)).decode("latin-1"))


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_gif_cut_in_the_header_of_its_second_frame_is_broken(cut: int) -> None:
    # Pillow lets a struct.error out here.
    with pytest.raises(BrokenImage):
        decode_picture(gif_frames(1)[:-1] + b"," + bytes(cut))


def test_a_frame_beyond_the_canvas_is_refused_before_it_is_decoded() -> None:
    frame = b"," + struct.pack("<4HB", 0, 0, 6000, 6000, 0) + b"\x02\x02\x44\x01\x00"
    grown = gif_frames(1)[:-1] + frame + b";"
    begun = time.thread_time()
    with pytest.raises(BrokenImage, match="does not fit its canvas"):
        decode_picture(grown)
    assert time.thread_time() - begun < 0.05


def odd_png() -> bytes:
    """One of which Pillow warns, and which it reads."""
    plain = save(Image.new("RGB", (4, 4)), "PNG")
    body = b"acTL" + bytes(8)  # an animation without frames
    return (
        plain[:33] + struct.pack(">I", 8) + body + struct.pack(">I", zlib.crc32(body)) + plain[33:]
    )


def test_of_pillows_warnings_oddities_are_none_and_bombs_are_errors() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.resetwarnings()
        decode_picture(odd_png())
        assert "Invalid APNG" in str(seen[0].message)
        heed_warnings()
        assert decode_picture(odd_png()).width == 4
        with pytest.raises(Image.DecompressionBombWarning):
            Image.open(io.BytesIO(png_of(10_000, 10_000)))
    assert len(seen) == 1


def test_threads_that_decode_at_once_leave_the_processs_warnings_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filters, before = warnings.filters, [*warnings.filters]
    together = threading.Barrier(8, timeout=30)
    check = decoding._check_size

    def meet(image: Image.Image, limits: ImageLimits) -> None:
        together.wait()
        assert warnings.filters is filters
        check(image, limits)

    monkeypatch.setattr(decoding, "_check_size", meet)
    picture = save(Image.new("RGB", (4, 4)), "PNG")
    with ThreadPoolExecutor(8) as threads:
        assert {one.width for one in threads.map(decode_picture, [picture] * 8)} == {4}
    assert [*warnings.filters] == before


def assert_picture_or_bad_image(data: bytes) -> None:
    try:
        picture = decode_picture(data, limits=ImageLimits(max_pixels=1_000_000))
    except BadImage:
        return
    assert isinstance(picture, Picture)
    assert picture.frames.dtype == np.uint8
    assert picture.frames.ndim == 4
    assert picture.frames.size
