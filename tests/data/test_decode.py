"""Every kind of image file becomes RGB pixels or a plain reason: the images table of the runtime's design."""

import io
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image, ImageCms, ImageOps, JpegImagePlugin, PngImagePlugin
from torchvision import transforms  # type: ignore[import-untyped]
from torchvision.transforms import v2  # type: ignore[import-untyped]

from alexc.runtime.data import decoding_work
from alexc.runtime.data.decode import BACKGROUND, TREATMENTS, decode, load_image, scale_and_crop
from alexc.runtime.data.decoding_work import BadImage
from alexc.runtime.data.plain_jpeg import Markers, markers_of, plain_jpeg
from alexc.runtime.data.store import Geometry
from tests.support.photographs import photographs

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
ODD, SAMPLE = SHARED / "odd-images", SHARED / "imagenet-sample"
tv: Any = v2.functional

# What each file of the shared folder must give: its treatments, or words of the reason to leave it out.
ODD_IMAGES: dict[str, set[str] | str] = {
    "gif-animated-31-frames.gif": {"palette", "several frames"},
    "gif-decompression-bomb-65535x66601.gif": "over 100 megapixels",
    "gif-placeholder-image-found-inside-a-jpeg-class-folder.gif": {"palette"},
    "gif-zero-width.gif": "damaged",
    "jpeg-12bit-precision.jpg": "12-bit",
    "jpeg-arithmetic-coded.jpg": set(),
    "jpeg-cmyk-ycck-adobe-transform2.jpg": {"cmyk"},
    "jpeg-exif-orientation6-landscape.jpg": {"orientation"},
    "jpeg-grayscale-128.jpg": {"greyscale"},
    "jpeg-imagenet-exif-orientation6.JPEG": {"orientation"},
    "jpeg-imagenet-large-2848x2136.jpg": set(),
    "jpeg-imagenet-tiny-40x122.jpg": set(),
    "jpeg-invalid-exif.jpg": set(),
    "jpeg-junk-in-header.jpg": set(),
    "jpeg-mpo-two-images.mpo.jpg": {"several frames"},
    "jpeg-progressive-big-icc-profile.jpg": set(),
    "jpeg-progressive-truncated.jpg": "truncated",
    "jpeg-truncated-app14-marker.jpg": set(),
    "jpeg-ultrahdr-file-cut-short-1512x2688.jpg": "truncated",
    "made-here/empty-zero-bytes.jpg": "empty",
    "made-here/jpeg-imagenet-cut-at-20000-bytes.JPEG": "truncated",
    "made-here/plain-text-named-jpeg.jpg": "not an image",
    "made-here/png-content-named-jpeg.JPEG": {"greyscale", "wrong ending"},
    "png-16bit-gray-with-trns.png": {"16-bit", "greyscale", "transparent"},
    "png-16bit-rgb.png": {"16-bit"},
    "png-1x1-palette.png": {"palette", "transparent"},
    "png-animated-41-frames.png": {"several frames"},
    "png-broken-data-stream.png": "damaged",
    "png-decompression-bomb-in-text-chunk.png": "text chunk",
    "png-missing-end-chunk.png": "damaged",
    "png-palette-with-transparency.png": {"palette", "transparent"},
    "png-rgba-interlaced.png": {"transparent"},
    "png-truncated.png": "truncated",
    "webp-animated-42-frames-rgba.webp": {"several frames"},
}


def jpeg_of_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    content = io.BytesIO()
    Image.new("RGB", (side, side), (90, 120, 60)).save(content, "JPEG", progressive=True)
    whole = content.getvalue()
    last, end = whole.rindex(b"\xff\xda"), whole.rindex(b"\xff\xd9")
    more = scans - whole.count(b"\xff\xda")
    return whole[:end] + whole[last:end] * more + whole[end:]


def tiff_of_tile(side: int) -> bytes:
    """A TIFF of 16 x 16 pixels in one tile of `side` x `side`; the data is that of a tile of at most 64 x 64."""
    data = zlib.compress(bytes(min(side, 64) ** 2))
    values = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: side, 323: side, 324: 134, 325: len(data)}
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items())
    return b"II*\0" + struct.pack("<IH", 8, len(values)) + tags + bytes(4) + data


_png = io.BytesIO()
Image.new("RGB", (16, 16)).save(_png, "PNG")
PNG = _png.getvalue()
CHUNK = struct.pack(">I4sI", 0, b"abcd", zlib.crc32(b"abcd"))


@pytest.mark.skipif(not ODD.is_dir(), reason="the shared images are not here")
class TestOddImages:
    def test_the_table_names_every_file(self) -> None:
        assert {path.relative_to(ODD).as_posix() for path in ODD.rglob("*") if path.is_file()} == set(ODD_IMAGES)

    @pytest.mark.parametrize("name", ODD_IMAGES)
    def test_treatment_or_reason(self, name: str) -> None:
        expected = ODD_IMAGES[name]
        if isinstance(expected, str):
            with pytest.raises(BadImage, match=expected):
                load_image(ODD / name)
        else:
            image, treatments = load_image(ODD / name)
            assert image.shape[2:] == (3,)
            assert treatments == expected
            assert scale_and_crop(image, Geometry()).shape == (256, 256, 3)


def photograph(mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> Image.Image:
    """Smooth enough to survive JPEG, different in every pixel and channel."""
    y, x = np.mgrid[: size[1], : size[0]]
    pixels = np.stack([x * 4 % 256, y * 6 % 256, (x + y) * 2 % 256], axis=-1).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(header: bytes, *chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + b"".join(chunks) + png_chunk(b"IEND", b"")


def resized_by_torchvision(pixels: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.uint8]:
    """What version 2 of the transforms makes of a tensor."""
    scaled = tv.resize(torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), [geometry.resize], antialias=True)
    cut: NDArray[np.uint8] = tv.center_crop(scaled, [geometry.crop, geometry.crop]).permute(1, 2, 0).numpy()
    return cut


class TestSquare:
    """The same bits as torchvision's version 2 transforms of a tensor; nearly those of version 1 of a PIL image."""

    SIZES = ((1, 1), (2, 3), (60, 40), (40, 61), (255, 257), (256, 256), (256, 301), (257, 255), (333, 500), (1024, 77))

    @pytest.mark.parametrize("size", [*SIZES, (1, 300), (300, 1), (2000, 3000)])
    @pytest.mark.parametrize("geometry", [Geometry(), Geometry(256, 227), Geometry(72, 64), Geometry(33, 12)])
    def test_equals_torchvision(self, size: tuple[int, int], geometry: Geometry) -> None:
        rng = np.random.default_rng(size)
        image = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
        np.testing.assert_array_equal(scale_and_crop(image, geometry), resized_by_torchvision(image, geometry))

    def test_hundreds_of_sizes(self) -> None:
        rng = np.random.default_rng(0)
        for _ in range(150):
            width, height = (int(side) for side in rng.integers(1, 120, 2))
            resize = int(rng.integers(2, 120))  # torch 2.14 fails at a single pixel of a tensor that lies by channels
            geometry = Geometry(resize, int(rng.integers(1, resize + 1)))
            image = rng.integers(0, 256, (height, width, 3), np.uint8)
            made = scale_and_crop(image, geometry)
            assert made.flags.c_contiguous
            np.testing.assert_array_equal(made, resized_by_torchvision(image, geometry), f"{image.shape} {geometry}")

    @pytest.mark.slow
    @pytest.mark.skipif(not SAMPLE.is_dir(), reason="the shared images are not here")
    def test_photographs_look_as_pillow_would_have_scaled_them(self) -> None:
        first = transforms.Compose([transforms.Resize(256, antialias=True), transforms.CenterCrop(256)])
        differences = []
        for path in sorted(SAMPLE.iterdir()):
            reference = np.asarray(first(Image.open(path).convert("RGB"))).astype(int)
            differences.append(np.abs(reference - scale_and_crop(load_image(path)[0], Geometry())))
        assert len(differences) == 100
        assert f"{np.mean(differences):.2f}" == "0.00"
        assert np.max(differences) <= 2
        assert np.mean(np.array(differences) > 1) < 1e-6

    def test_a_single_pixel(self) -> None:
        image = np.tile(np.array([7, 90, 200], np.uint8), (9, 9, 1))
        assert scale_and_crop(image, Geometry(1, 1)).tolist() == [[[7, 90, 200]]]

    def test_a_thread_of_pixels_is_refused_before_it_fills_the_memory(self) -> None:
        with pytest.raises(BadImage, match="too narrow: 1 x 5000"):
            scale_and_crop(np.zeros((5000, 1, 3), np.uint8), Geometry())


class TestPlainJpegs:
    """Decoded without Pillow, to the same bits; Pillow alone judges what is not plain."""

    @pytest.fixture
    def loads(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The modes of the JPEGs that Pillow decodes."""
        modes: list[str] = []
        load = JpegImagePlugin.JpegImageFile.load

        def noted(image: JpegImagePlugin.JpegImageFile) -> object:
            modes.append(image.mode)
            return load(image)

        monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", noted)
        return modes

    @pytest.mark.parametrize("mode", ["RGB", "L"])
    @pytest.mark.parametrize("size", [(1, 1), (15, 17), (60, 40), (333, 251)])
    @pytest.mark.parametrize(
        "options",
        [
            *({"subsampling": subsampling} for subsampling in (0, 1, 2)),
            {"progressive": True},
            {"quality": 5},
            {"quality": 100, "optimize": True},
            {"restart_marker_rows": 1},
            {"keep_rgb": True},
        ],
    )
    def test_the_same_bits_as_pillow(
        self, loads: list[str], mode: str, size: tuple[int, int], options: dict[str, object]
    ) -> None:
        content = encoded(photograph(mode, size), "JPEG", **options)
        pixels, treatments = decode(content, ".jpg")
        assert loads == []
        assert treatments == ({"greyscale"} if mode == "L" else set())
        np.testing.assert_array_equal(pixels, np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))

    @pytest.mark.skipif(not SAMPLE.is_dir(), reason="the shared images are not here")
    def test_photographs(self, loads: list[str]) -> None:
        for path in sorted(SAMPLE.iterdir()):
            pixels, _ = load_image(path)
            assert loads == [], path
            np.testing.assert_array_equal(pixels, np.asarray(Image.open(path).convert("RGB")), path.name)
            loads.clear()

    def test_what_the_decoder_warns_of_is_left_to_pillow(self, loads: list[str]) -> None:
        content = bytearray(encoded(photograph(), "JPEG"))
        spoilt = content[:-2] + b"\xff\x00" * 20 + content[-2:]  # more data than the picture needs
        pixels, _ = decode(bytes(spoilt), ".jpg")
        assert set(loads) == {"RGB"}
        np.testing.assert_array_equal(pixels, np.asarray(Image.open(io.BytesIO(content))))

    def test_cmyk_is_left_to_pillow(self, loads: list[str]) -> None:
        decode(encoded(photograph("CMYK"), "JPEG"), ".jpg")
        assert set(loads) == {"CMYK"}

    def test_a_size_that_another_header_tells_takes_no_memory(self) -> None:
        content = encoded(photograph(), "JPEG")
        assert plain_jpeg(content, 60, 40) is not None
        assert plain_jpeg(content, 40, 60) is None
        frame = content.index(b"\xff\xc0") + 5
        assert plain_jpeg(content[:frame] + b"\xff\xdc\xff\xdc" + content[frame + 4 :], 60, 40) is None


class TestColors:
    def test_rgb_passes_unchanged(self) -> None:
        for format in ("PNG", "BMP", "TIFF", "PPM"):
            image, treatments = decode(encoded(photograph(), format), "")
            assert treatments == set()
            np.testing.assert_array_equal(np.asarray(image), np.asarray(photograph()))

    @pytest.mark.parametrize("mode", ["L", "1"])
    def test_greyscale(self, mode: str) -> None:
        image, treatments = decode(encoded(photograph(mode), "PNG"), ".png")
        assert treatments == {"greyscale"}
        np.testing.assert_array_equal(np.asarray(image), np.asarray(photograph(mode).convert("RGB")))

    def test_cmyk(self) -> None:
        image, treatments = decode(encoded(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG"), ".jpg")
        assert treatments == {"cmyk"}
        np.testing.assert_allclose(np.asarray(image)[4, 4], (0, 255, 255), atol=4)

    def test_palette(self) -> None:
        image, treatments = decode(encoded(photograph("P"), "PNG"), ".png")
        assert treatments == {"palette"}
        np.testing.assert_array_equal(np.asarray(image), np.asarray(photograph("P").convert("RGB")))

    def test_palette_with_a_transparent_colour(self) -> None:
        picture = Image.new("P", (2, 1))
        picture.putpalette([200, 0, 0, 0, 200, 0])
        picture.putdata([0, 1])
        image, treatments = decode(encoded(picture, "PNG", transparency=1), ".png")
        assert treatments == {"palette", "transparent"}
        assert np.asarray(image).tolist() == [[[200, 0, 0], list(BACKGROUND)]]

    def test_half_transparent_lies_over_white(self) -> None:
        image, treatments = decode(encoded(Image.new("RGBA", (1, 1), (0, 100, 200, 128)), "PNG"), ".png")
        assert treatments == {"transparent"}
        shown = [round((color * 128 + back * 127) / 255) for color, back in zip((0, 100, 200), BACKGROUND, strict=True)]
        np.testing.assert_allclose(np.asarray(image)[0, 0], shown, atol=1)

    def test_an_opaque_alpha_channel_is_no_treatment(self) -> None:
        image, treatments = decode(encoded(photograph("RGBA"), "PNG"), ".png")
        assert treatments == set()
        np.testing.assert_array_equal(np.asarray(image), np.asarray(photograph()))

    def test_16_bit_grey_is_scaled_to_8(self) -> None:
        values = np.array([[0, 128, 129, 257, 32768, 65407, 65535]], np.uint16)
        image, treatments = decode(encoded(Image.fromarray(values), "PNG"), ".png")
        assert treatments == {"16-bit", "greyscale"}
        expected = np.floor(values / 65535 * 255 + 0.5).astype(np.uint8)
        np.testing.assert_array_equal(np.asarray(image)[..., 0], expected)

    def test_16_bit_grey_in_a_pgm(self) -> None:
        image, treatments = decode(b"P5 2 1 65535\n" + struct.pack(">2H", 0, 65535), ".pgm")
        assert treatments == {"16-bit", "greyscale"}
        assert np.asarray(image)[0, :, 0].tolist() == [0, 255]

    def test_16_bit_colour(self) -> None:
        row = b"\0" + struct.pack(">3H", 0x1234, 0x8000, 0xFFFF)
        content = png(struct.pack(">2I5B", 1, 1, 16, 2, 0, 0, 0), png_chunk(b"IDAT", zlib.compress(row)))
        image, treatments = decode(content, ".png")
        assert treatments == {"16-bit"}
        assert np.asarray(image)[0, 0].tolist() == [0x12, 0x80, 0xFF]

    @pytest.mark.parametrize("dtype", [np.float32, np.int32])
    def test_pixels_without_a_range_are_refused(self, dtype: type[np.generic]) -> None:
        with pytest.raises(BadImage, match="no fixed range"):
            decode(encoded(Image.fromarray(np.ones((4, 4), dtype)), "TIFF"), ".tif")

    def test_lab(self) -> None:
        to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
        lab = ImageCms.applyTransform(photograph(), to_lab)
        assert lab is not None
        image, treatments = decode(encoded(lab, "TIFF"), ".tif")
        assert treatments == {"other colors"}
        assert image.shape == (40, 60, 3)


class TestFramesAndNames:
    @pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
    def test_the_first_frame_of_several(self, format: str) -> None:
        frames = [Image.new("RGB", (20, 10), color) for color in ("red", "blue", "lime")]
        options = {"lossless": True} if format == "WEBP" else {}
        content = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
        image, treatments = decode(content, "")
        assert "several frames" in treatments
        assert image[5, 10].tolist() == [255, 0, 0]

    def test_a_damaged_later_frame_does_not_matter(self) -> None:
        frames = [Image.new("RGB", (20, 10), color) for color in ("red", "blue")]
        content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
        image, _ = decode(content[:-12], ".gif")
        assert image[0, 0].tolist() == [255, 0, 0]

    def test_content_decides_and_a_wrong_ending_is_counted(self) -> None:
        image, treatments = decode(encoded(photograph(), "PNG"), ".JPEG")
        assert treatments == {"wrong ending"}
        np.testing.assert_array_equal(np.asarray(image), np.asarray(photograph()))

    @pytest.mark.parametrize("ending", [".jpg", ".JPEG", ".Jpe", "", ".42"])
    def test_right_or_unknown_endings_are_not(self, ending: str) -> None:
        assert decode(encoded(photograph(), "JPEG"), ending)[1] == set()

    def test_every_treatment_is_explained(self) -> None:
        assert set().union(*(found for found in ODD_IMAGES.values() if isinstance(found, set))) <= set(TREATMENTS)


class TestDescribedJpeg:
    """Pillow opens a JPEG only if it may find an orientation or further images, or refuse a part of the header."""

    EXIF = Image.Exif()
    EXIF[0x0112] = 6
    XMP = b'<x:xmpmeta><rdf:RDF><rdf:Description tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'

    @pytest.mark.parametrize("described", [{"exif": EXIF}, {"xmp": XMP}])
    def test_an_orientation_is_found(self, described: dict[str, Any]) -> None:
        content = encoded(photograph(), "JPEG", **described)
        assert markers_of(content) == Markers(1, described=True)
        assert decode(content, ".jpg")[1] == {"orientation"}

    def test_further_images_are_found(self) -> None:
        content = encoded(photograph(), "MPO", save_all=True, append_images=[photograph("L")])
        assert markers_of(content) == Markers(1, described=True)
        assert decode(content, ".jpg")[1] == {"several frames"}

    @pytest.mark.parametrize(
        "part",
        [
            b"\xff\x01",
            b"\xff\xe0\0\x07JFIF\0",
            b"\xff\xe2\0\x0eICC_PROFILE\0",
            b"\xff\xed\0\x16Photoshop 3.0\x008BIM\x03\xed",
            b"\xff\xee\0\x07Adobe",
        ],
    )
    def test_a_part_of_the_header_that_pillow_refuses(self, part: bytes) -> None:
        content = encoded(photograph(), "JPEG")
        with pytest.raises(BadImage, match="damaged header"):
            decode(content[:2] + part + content[2:], ".jpg")

    def test_other_parts_describe_nothing_that_matters(self, monkeypatch: pytest.MonkeyPatch) -> None:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        content = encoded(photograph(), "JPEG", icc_profile=profile, comment="Exif\0\0", dpi=(300, 300))
        expected = np.asarray(Image.open(io.BytesIO(content)))
        monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("Pillow is not needed"))
        pixels, treatments = decode(content, ".png")
        assert treatments == {"wrong ending"}
        np.testing.assert_array_equal(pixels, expected)


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(2, 9))
    def test_ignored_and_counted_or_applied(self, orientation: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = encoded(photograph(), "JPEG", exif=exif)
        stored = Image.open(io.BytesIO(content))
        ignored, treatments = decode(content, ".jpg")
        assert treatments == {"orientation"}
        np.testing.assert_array_equal(np.asarray(ignored), np.asarray(stored))
        applied, treatments = decode(content, ".jpg", exif=True)
        assert treatments == {"orientation"}
        np.testing.assert_array_equal(np.asarray(applied), np.asarray(ImageOps.exif_transpose(stored)))

    @pytest.mark.parametrize("orientation", [0, 1, 9])
    def test_upright_and_invalid_values(self, orientation: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        assert decode(encoded(photograph(), "JPEG", exif=exif), ".jpg", exif=True)[1] == set()

    def test_a_broken_exif_block_does_not_spoil_the_pixels(self) -> None:
        content = encoded(photograph(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff junk")
        assert decode(content, ".jpg", exif=True)[1] == set()


class TestBadFiles:
    def test_truncated_jpeg(self) -> None:
        content = encoded(photograph(size=(300, 200)), "JPEG")
        with pytest.raises(BadImage, match="truncated"):
            decode(content[: len(content) // 2], ".jpg")

    @pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
    def test_cut_anywhere_it_is_bad_or_whole_but_never_a_crash(self, format: str) -> None:
        content = encoded(photograph(), format)
        whole = np.asarray(decode(content, "")[0])
        cut = 0
        for length in range(1, len(content), max(1, len(content) // 60)):
            try:
                image, _ = decode(content[:length], "")
            except BadImage:
                cut += 1
            else:  # such as a GIF without its last byte
                np.testing.assert_array_equal(np.asarray(image), whole, f"{format} cut at {length}")
        assert cut > 40

    @pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
    def test_flipped_bytes_never_crash(self, format: str) -> None:
        content = bytearray(encoded(photograph(), format))
        rng = np.random.default_rng(0)
        bad = 0
        for _ in range(150):
            spoilt = content.copy()
            for position in rng.integers(0, len(content), 4):
                spoilt[position] = rng.integers(256)
            try:
                assert decode(bytes(spoilt), "")[0].shape[2] == 3
            except BadImage:
                bad += 1
        assert bad or format == "PPM"

    @pytest.mark.parametrize("content", [b"no image at all", b"\0" * 400, b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
    def test_something_else(self, content: bytes) -> None:
        with pytest.raises(BadImage, match="not an image in one of the formats"):
            decode(content, ".jpg")

    def test_formats_that_are_not_on_the_list(self) -> None:
        for format in ("ICO", "PCX", "TGA", "EPS"):
            with pytest.raises(BadImage, match="not an image in one of the formats"):
                decode(encoded(photograph(), format), ".jpg")

    @pytest.mark.parametrize("side", [10_001, 14_000, 60_000])
    def test_a_bomb_is_known_by_its_header(self, side: int) -> None:
        with pytest.raises(BadImage, match="over 100 megapixels"):
            decode(png(struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)), ".png")

    @pytest.mark.parametrize(
        ("side", "scans", "words"),
        [(512, 101, "over 100 scans"), (512, 3000, "over 100 scans"), (9000, 25, "9000 x 9000 pixels in 25 scans")],
    )
    def test_a_jpeg_of_countless_scans(self, side: int, scans: int, words: str) -> None:
        content = jpeg_of_scans(512, scans)
        at = content.index(b"\xff\xc2") + 5  # of a progressive frame: marker, length, precision, then both sides
        with pytest.raises(BadImage, match=words):
            decode(content[:at] + struct.pack(">HH", side, side) + content[at + 4 :], ".jpg")

    def test_a_jpeg_of_countless_segments(self) -> None:
        content = jpeg_of_scans(16, 10)
        with pytest.raises(BadImage, match="countless segments"):
            decode(content[:2] + b"\xff\xfe\0\2" * 10_001 + content[2:], ".jpg")

    def test_a_progressive_jpeg_of_usual_scans_is_decoded(self) -> None:
        content = jpeg_of_scans(64, 10)
        thumbnails = b"\xff\xe2" + struct.pack(">H", 2 + 4 * 200) + b"\xff\xda\0\0" * 200
        assert markers_of(content[:2] + thumbnails + content[2:] + b"\xff\xda" * 200) == Markers(10, described=False)
        decode(content[:2] + thumbnails + content[2:] + b"\xff\xda" * 200, ".jpg")

    @pytest.mark.parametrize("side", [30_000, 1 << 31])
    def test_a_tile_that_is_far_larger_than_its_image(self, side: int) -> None:
        with pytest.raises(BadImage, match=r"far more than the image has|damaged"):
            decode(tiff_of_tile(side), ".tif")

    @pytest.mark.parametrize("big", [False, True])
    def test_a_tiff_of_countless_strips(self, big: bool) -> None:
        start, entry = ("<2sHHHQQ", "<HHQQ") if big else ("<2sHIH", "<HHII")
        header = struct.pack(start, b"II", 43, 8, 0, 16, 2) if big else struct.pack(start, b"II", 42, 8, 2)
        tags = struct.pack(entry, 700, 1, 9_000_000, 8) + struct.pack(entry, 273, 4, 600_000, 8)
        with pytest.raises(BadImage, match="a TIFF with 600,000 strips or tiles"):
            decode(header + tags + bytes(8), ".tif")
        with pytest.raises(BadImage, match=r"damaged|not an image"):
            decode(header + tags[: len(tags) // 2], ".tif")

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"\xff\xd8" + b"\xff" * 1_000_001 + jpeg_of_scans(16, 1)[2:], "countless segments"),
            (b"\xff\xd8" + b"\xff" * 1_000_001, "countless segments"),
            (b"P6 #" + b"a" * 300 + b"\n1 1 255\nabc", "millions of tiny parts"),
            (b"P3 1 1 255" + b" 1" * 200, "bytes of pixels as text; at most 300"),
            (
                PNG[:33] + struct.pack(">I4sI", 0, b"abcd", zlib.crc32(b"abcd")) * 200 + PNG[33:],
                "millions of tiny parts",
            ),
            (PNG[:33] + b"\0\0\0\4iCCPa\0\0xcrc " * 11 + PNG[33:], "many colour profiles"),
        ],
        ids=["filled JPEG", "JPEG of nothing else", "comment", "text", "chunks", "profiles"],
    )
    def test_files_of_countless_parts(self, content: bytes, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(decoding_work, "MOST_READS", 250)
        monkeypatch.setattr(decoding_work, "LARGEST_TEXT", 300)
        with pytest.raises(BadImage, match=reason):
            decode(content, "")

    def test_the_tiles_of_a_usual_tiff(self) -> None:
        assert decode(tiff_of_tile(32), ".tif")[0].shape == (16, 16, 3)

    def test_frames_behind_the_second_are_not_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        content = io.BytesIO()
        frames = [Image.fromarray(np.diag([number] * 4).astype(np.uint8)).convert("P") for number in (50, 150, 250)]
        frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
        monkeypatch.setattr(GifImagePlugin.GifImageFile, "n_frames", None)
        assert decode(content.getvalue(), ".gif")[1] == {"palette", "several frames"}

    def test_a_bomb_in_a_text_chunk(self) -> None:
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", "a" * 2_000_000, zip=True)
        content = encoded(photograph(), "PNG", pnginfo=text)
        assert len(content) < 20_000
        with pytest.raises(BadImage, match="text chunk"):
            decode(content, ".png")

    def test_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").touch()
        with pytest.raises(BadImage, match="an empty file"):
            load_image(tmp_path / "a.jpg")

    def test_missing_file_broken_link_and_link_to_itself(self, tmp_path: Path) -> None:
        (tmp_path / "link.jpg").symlink_to(tmp_path / "nothing.jpg")
        (tmp_path / "circle.jpg").symlink_to(tmp_path / "circle.jpg")
        for name, reason in (("a.jpg", "no such file"), ("link.jpg", "no such file"), ("circle.jpg", "symbolic links")):
            with pytest.raises(BadImage, match=f"cannot be read: .*{reason}"):
                load_image(tmp_path / name)

    @pytest.mark.posix
    def test_a_named_pipe_and_a_device_do_not_hang(self, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe.jpg"
        subprocess.run(["mkfifo", pipe], check=True)
        for path in (pipe, Path("/dev/zero"), tmp_path):
            with pytest.raises(BadImage, match=r"not a regular file|is a directory"):
                load_image(path)

    def test_a_file_too_big_to_read(self, tmp_path: Path) -> None:
        with (tmp_path / "big.bmp").open("wb") as file:
            file.truncate((1 << 30) + 1)  # sparse: takes no room
        with pytest.raises(BadImage, match="bytes; at most"):
            load_image(tmp_path / "big.bmp")


def test_pillow_is_left_as_it_was() -> None:
    before = Image.MAX_IMAGE_PIXELS, warnings.filters[:]
    with pytest.raises(BadImage):
        decode(png(struct.pack(">2I5B", 12_000, 12_000, 8, 2, 0, 0, 0)), ".png")
    assert (Image.MAX_IMAGE_PIXELS, warnings.filters[:]) == before


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_torch_is_left_to_the_workers(tmp_path: Path, options: list[str]) -> None:
    arguments = ["prepare", str(photographs(tmp_path / "data")), "--out", str(tmp_path / "store"), *options]
    # Workers import this file too, as it is the main program.
    code = (
        "import sys\n"
        "if __name__ == '__main__':\n"
        "    from alexc.__main__ import main\n"
        f"    sys.argv = ['alexc', *{arguments!r}]\n"
        "    try:\n"
        "        main()\n"
        "    finally:\n"
        "        print({'torch', 'torchvision'} & set(sys.modules))\n"
    )
    (tmp_path / "program.py").write_text(code)
    done = subprocess.run([sys.executable, tmp_path / "program.py"], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "set()", done.stderr
    assert (tmp_path / "store").exists() == (not options)
