"""Drawings of networks: their content, that no elements overlap, and `alexc draw`."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
from matplotlib import get_data_path
from numpy.typing import NDArray
from PIL import Image, ImageFont

from alexc.compiler.drawing import legend as meaning
from alexc.compiler.drawing.blocks import blocks_of, fold
from alexc.compiler.drawing.draw import draw_svg, drawing_of
from alexc.compiler.drawing.elements import Box, Curve, Drawing, Face, Group, Line, Point, Text, around
from alexc.compiler.drawing.stages import is_chain
from alexc.compiler.drawing.svg import svg_of
from alexc.compiler.drawing.text_width import ASCENT, DESCENT, text_width
from alexc.compiler.drawing.volumes import Scale
from alexc.compiler.graph.graph import Graph
from alexc.compiler.layers.kind import Shape
from alexc.compiler.pipeline import check_file, check_text
from tests.conftest import ROOT, Alexc

SPECS = [*sorted((ROOT / "examples").glob("**/*.net")), ROOT / "spec" / "alexnet.net"]
FLAGSHIP = ROOT / "spec" / "alexnet.net"
PICTURES = ROOT / "docs" / "pictures"
SVG = "{http://www.w3.org/2000/svg}"
FONTS = Path(get_data_path()) / "fonts" / "ttf"
each_spec = pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)

TOWERS = """
network Many {
  input  3x32x32
  towers 8
  conv1: conv 64 kernel=5 pad=2 -> relu -> maxpool 2
  conv2: conv 64 kernel=3 pad=1 reads=tower -> relu
  fc: linear 16 reads=all -> softmax
}
"""
BRANCHES = """
block unit(kernels) {
  a: conv kernels kernel=3 pad=1 -> relu
  b: conv kernels kernel=3 pad=1 -> add input -> relu
}
network Branches {
  input 3x32x32
  stem: conv 8 kernel=3 pad=1
  repeat 3 { same: unit 8 }
  wide: conv 16 kernel=3 pad=1
  left: wide -> conv 4 kernel=1
  right: wide -> maxpool 3 stride=1 pad=1 -> conv 4 kernel=1
  both: concat left right -> global_avgpool
  fc: linear 10 -> softmax
}
"""


@cache
def graph_of(source: Path | str) -> Graph:
    checked = check_text(source, "drawn.net") if isinstance(source, str) else check_file(source)
    assert checked.graph is not None, checked.diagnostics
    return checked.graph


def texts_of(groups: Sequence[Group]) -> list[Text]:
    return [element for group in groups for element in group.elements if isinstance(element, Text)]


def faces_of(groups: Sequence[Group]) -> list[Face]:
    return [element for group in groups for element in group.elements if isinstance(element, Face)]


def overlap(first: Box, second: Box) -> bool:
    across = first.left < second.right and second.left < first.right
    return across and first.top < second.bottom and second.top < first.bottom


def corners(box: Box) -> list[Point]:
    return [Point(x, y) for x in (box.left, box.right) for y in (box.top, box.bottom)]


def apart(first: Sequence[Point], second: Sequence[Point]) -> bool:
    """Whether a line separates two convex polygons: parallel to a side of the first one, or vertical, or horizontal."""
    if not overlap(around(first), around(second)):
        return True
    sides = [(end.x - start.x, end.y - start.y) for start, end in pairwise([*first, first[0]])]
    for x, y in [*sides, (1, 0), (0, 1)]:
        ours, theirs = ([point.x * -y + point.y * x for point in points] for points in (first, second))
        if max(ours) <= min(theirs) + 1e-6 or max(theirs) <= min(ours) + 1e-6:
            return True
    return False


def within(inner: Box, outer: Box) -> bool:
    return (
        outer.left <= inner.left
        and outer.top <= inner.top
        and inner.right <= outer.right
        and inner.bottom <= outer.bottom
    )


def is_upright(face: Face) -> bool:
    return set(face.corners) == set(corners(face.box))


def pieces(element: Line | Curve) -> Iterator[tuple[Point, Point]]:
    """Straight segments; a bend becomes 16 segments of the same Bézier curve as in the SVG."""
    for start, end in pairwise(element.points):
        if isinstance(element, Line):
            yield start, end
            continue
        places = []
        for number in range(17):
            t = number / 16
            across = start.x + (end.x - start.x) * (3 * t**2 - 2 * t**3)
            middle = (start.y + end.y) / 2
            down = (1 - t) ** 3 * start.y + 3 * (1 - t) * t * middle + t**3 * end.y
            places.append(Point(across, down))
        yield from pairwise(places)


def assert_no_elements_overlap(drawing: Drawing) -> None:
    texts = [(text, text.box) for text in texts_of(drawing.groups)]
    faces = [(face, face.box) for face in faces_of(drawing.groups)]
    for (first, first_box), (second, second_box) in combinations(texts, 2):
        assert not overlap(first_box, second_box), (first, second)
    for text, words in texts:
        for face, around_face in faces:
            if overlap(words, around_face):
                inside = within(words, around_face) and is_upright(face)
                assert inside or apart(face.corners, corners(words)), (text, face)
    for group in drawing.groups:
        for element in group.elements:
            assert within(element.box, drawing.box), element


def crosses(starts: NDArray[np.float64], ends: NDArray[np.float64], box: Box) -> bool:
    """Whether a part of one of the straight lines (N, 2), (N, 2) is inside the box."""
    steps = np.where(ends == starts, 1e-9, ends - starts)
    sides = np.stack([(np.array(corner) - starts) / steps for corner in (box[:2], box[2:])])
    enters, leaves = sides.min(axis=0).max(axis=1), sides.max(axis=0).min(axis=1)
    return bool((np.maximum(enters, 0) < np.minimum(leaves, 1)).any())


def lines_of_svg(root: ElementTree.Element) -> Iterator[list[Point]]:
    """The points of each connecting line in an SVG file; a Bézier curve becomes 16 straight parts."""
    for element in root.iter(f"{SVG}polyline"):
        if element.get("class") != "frame":
            yield [Point(*map(float, pair.split(","))) for pair in element.get("points", "").split()]
    for element in root.iter(f"{SVG}path"):
        points: list[Point] = []
        for step, numbers in re.findall(r"([MVC])([-\d., ]+)", element.get("d", "")):
            given = [float(number) for number in re.split(r"[ ,]+", numbers.strip())]
            if step == "V":
                points.append(Point(points[-1].x, given[0]))
            elif step == "M":
                points.append(Point(*given))
            else:
                along = [points[-1], *(Point(*given[at : at + 2]) for at in (0, 2, 4))]
                for t in (number / 16 for number in range(1, 17)):
                    shares = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
                    x, y = (sum(share * at[side] for share, at in zip(shares, along, strict=True)) for side in (0, 1))
                    points.append(Point(x, y))
        yield points


def crossed_texts(svg: str) -> list[str]:
    """The texts of an SVG file that a connecting line crosses, computed from the file alone."""
    root = ElementTree.fromstring(svg)
    texts = []
    for element in root.iter(f"{SVG}text"):
        at = Point(float(element.get("x", "")), float(element.get("y", "")))
        words, size, anchor = element.text or "", float(element.get("font-size", "")), element.get("text-anchor", "")
        texts.append(Text(at, words, "", size, anchor))
    parts = np.array([part for points in lines_of_svg(root) for part in pairwise(points)])
    return [text.words for text in texts if crosses(parts[:, 0], parts[:, 1], text.box)]


def assert_no_line_crosses_a_text_or_a_box(drawing: Drawing) -> None:
    groups = drawing.groups
    boxes = [face.box for face in faces_of(groups)]
    for first, second in combinations(boxes, 2):
        assert not overlap(first, second)
    words = [text.box for text in texts_of(groups)]
    for group in groups:
        for element in group.elements:
            if not isinstance(element, Line | Curve) or element.look == "frame":
                continue
            bounds = element.box
            near = [box for box in (*words, *boxes) if overlap(box, bounds)]
            for start, end in pieces(element):
                hit = [box for box in near if not apart([start, end], corners(box))]
                assert hit == [], (element, hit)


@each_spec
def test_no_elements_overlap(path: Path) -> None:
    assert_no_elements_overlap(drawing_of(graph_of(path)))


@pytest.mark.parametrize("text", [TOWERS, BRANCHES], ids=["towers", "branches"])
def test_no_elements_overlap_in_other_networks(text: str) -> None:
    assert_no_elements_overlap(drawing_of(graph_of(text)))


def test_an_overlap_is_detected() -> None:
    drawing = drawing_of(graph_of(FLAGSHIP))
    (first, *_), (second, *_) = (texts_of([group]) for group in drawing.groups[2:4])
    moved = replace(second, at=Point(first.at.x + 10, first.at.y))
    with pytest.raises(AssertionError):
        assert_no_elements_overlap(replace(drawing, groups=(*drawing.groups, Group("", (moved,)))))
    face = faces_of(drawing.groups)[0]
    on_edge = replace(second, at=face.corners[0])
    with pytest.raises(AssertionError):
        assert_no_elements_overlap(replace(drawing, groups=(*drawing.groups, Group("", (on_edge,)))))


@pytest.mark.parametrize("path", [path for path in SPECS if not is_chain(graph_of(path))], ids=lambda path: path.stem)
def test_no_line_crosses_a_text_or_a_box_of_a_branched_network(path: Path) -> None:
    assert_no_line_crosses_a_text_or_a_box(drawing_of(graph_of(path)))


def tower_net(draw: Random) -> str:
    """A network of towers with random sizes, windows and connections."""
    towers, count = draw.choice([("2", 2), ("3", 3), ("4", 4), ("2x2", 4), ("2x3", 6), ("7", 7)])
    reads = ["tower", "all", *(["row", "cross"] if "x" in towers else [])]
    pools = ["", "", " -> maxpool 3 stride=2 pad=1", " -> relu -> avgpool 2"]
    lines = [f"c0: conv {count * draw.choice([1, 8, 40])} kernel={draw.choice([1, 3, 11])} -> relu"]
    for number in range(1, draw.randint(2, 7)):
        kernels = count * draw.choice([1, 4, 64, 120])
        lines.append(f"c{number}: conv {kernels} kernel=3 pad=1 reads={draw.choice(reads)}{draw.choice(pools)}")
    dense = range(draw.randint(1, 4))
    lines += [f"f{number}: linear {count * draw.choice([1, 50, 512])} reads={draw.choice(reads)}" for number in dense]
    lines.append(f"out: linear {count * draw.choice([1, 250, 5000])} reads=all -> softmax")
    side, body = draw.choice([64, 227, 300]), "\n  ".join(lines)
    return f"network Towers {{\n  input 3x{side}x{side}\n  towers {towers}\n  {body}\n}}\n"


@each_spec
def test_no_line_crosses_a_text(path: Path) -> None:
    assert crossed_texts(draw_svg(graph_of(path))) == []


@pytest.mark.parametrize("seed", range(24))
def test_no_line_crosses_a_text_of_random_towers(seed: int) -> None:
    text = tower_net(Random(seed))
    assert crossed_texts(draw_svg(graph_of(text))) == [], text
    assert_no_elements_overlap(drawing_of(graph_of(text)))


def test_a_line_that_crosses_a_text_of_the_file_is_detected() -> None:
    svg = draw_svg(graph_of(FLAGSHIP))
    name = re.search(r'<text class="name" x="([\d.]+)" y="([\d.]+)"[^>]*>conv3<', svg)
    assert name is not None
    x, y = map(float, name.groups())
    for line in (
        f'<polyline class="reads" points="{x - 200},{y - 3} {x + 200},{y - 1}"/>',
        f'<polyline class="lead" points="{x},{y - 40} {x},{y + 40}"/>',
        f'<path class="flow" d="M{x},{y - 40} V{y - 20} C{x},{y} {x + 5},{y} {x + 5},{y + 20}"/>',
    ):
        assert "conv3" in crossed_texts(svg.replace("</svg>", f"{line}</svg>"))


@each_spec
def test_the_legend_explains_what_occurs(path: Path) -> None:
    *figure, legend = drawing_of(graph_of(path)).groups
    shown = {element.look for group in figure for element in group.elements if not isinstance(element, Text)}
    looks = {element.look for element in legend.elements if not isinstance(element, Text)}
    meanings = meaning.CHAIN if is_chain(graph_of(path)) else meaning.BRANCHES
    assert looks - {"kernel"} == shown & set(meanings)
    assert [text.words for text in texts_of([legend])] == [meanings[look] for look in meanings if look in shown]
    unexplained = {"image", "lead", "kernel"} if is_chain(graph_of(path)) else {"image", "flow"}
    assert shown - set(meanings) <= unexplained


def test_a_line_that_crosses_a_text_is_detected() -> None:
    drawing = drawing_of(graph_of(BRANCHES))
    lines = [element for group in drawing.groups for element in group.elements if isinstance(element, Curve)]
    for across in (-30.0, 30.0):
        points = tuple(Point(point.x + across, point.y) for point in lines[0].points)
        moved = Group("", (Curve((*points, Point(points[-1].x, points[-1].y + 30)), "flow"),))
        with pytest.raises(AssertionError):
            assert_no_line_crosses_a_text_or_a_box(replace(drawing, groups=(*drawing.groups, moved)))


@pytest.mark.parametrize(("font", "size"), [("DejaVuSans.ttf", 10), ("DejaVuSans-Bold.ttf", 16)])
def test_letters_are_not_larger_than_the_bounds(font: str, size: int) -> None:
    scale = 64  # large, so that widths are not rounded to pixels
    letters = ImageFont.truetype(str(FONTS / font), size * scale)
    for code in range(32, 127):
        assert letters.getlength(chr(code)) / scale <= text_width(chr(code), size) + 1e-6, chr(code)
    for letter in "×·…":
        assert letters.getlength(letter) / scale <= text_width(letter, size)
    _, top, _, bottom = letters.getbbox("Mdlbgpq0123456789×·", anchor="ls")
    assert -top / scale <= ASCENT * size
    assert bottom / scale <= DESCENT * size


@each_spec
def test_the_file_is_well_formed_and_names_every_layer(path: Path) -> None:
    graph = graph_of(path)
    svg = draw_svg(graph)
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "graphics-document document"
    identifiers = [element.get("id", "") for element in root.iter() if element.get("id")]
    assert len(set(identifiers)) == len(identifiers)
    assert all(identifier.startswith(f"alexc-{graph.net.name}-") for identifier in identifiers)
    assert root.get("aria-labelledby", "").split() == identifiers[:2]
    assert root.findtext(f"{SVG}title") == graph.net.name
    spoken = root.findtext(f"{SVG}desc") or ""
    links = list(root.iter(f"{SVG}a"))
    titles = [link.findtext(f"{SVG}title") or "" for link in links]
    assert [link.get("aria-label") for link in links] == titles
    assert [link.get("href") for link in links] == [f"#{link.get('id')}" for link in links]
    assert titles
    assert all(title in spoken for title in titles)
    drawn = {title.split("; ")[-1].split(":")[0] for title in titles}
    blocks = blocks_of(graph) if not is_chain(graph) else []
    repeated = sum((repeat.times - 1) * len(repeat.blocks) for repeat in fold(blocks)[1]) if blocks else 0
    trained = {node.layer.name for node in graph.nodes if node.neurons}
    assert len(trained - drawn) <= repeated
    if not repeated:
        assert trained <= drawn


def group_named(drawing: Drawing, name: str) -> Group:
    (group,) = (group for group in drawing.groups if group.name == name)
    return group


def words_of(group: Group) -> list[str]:
    return [text.words for text in texts_of([group])]


def test_the_flagship_has_the_numbers_of_the_papers_figure() -> None:
    drawing = drawing_of(graph_of(FLAGSHIP))
    for name, sizes in {
        "conv1": ["48", "55", "55"] * 2,
        "conv2": ["128", "27", "27"] * 2,
        "conv3": ["192", "13", "13"] * 2,
        "conv4": ["192", "13", "13"] * 2,
        "conv5": ["128", "13", "13"] * 2,
        "fc6": ["2048"] * 2,
        "fc7": ["2048"] * 2,
        "fc8": ["1000"],
    }.items():
        assert [text.words for text in texts_of([group_named(drawing, name)]) if text.look == "label"] == sizes, name
    assert "stride of 4" in words_of(group_named(drawing, "conv1"))
    assert "96 kernels" in words_of(group_named(drawing, "conv1"))
    assert "11×11×3" in words_of(group_named(drawing, "conv1"))
    pooled = [group.name for group in drawing.groups if "max pooling" in words_of(group)]
    assert pooled == ["conv2", "conv3", "fc6"]
    assert [group.name for group in drawing.groups if "dense" in words_of(group)] == ["fc6", "fc7", "fc8"]
    image = next(group for group in drawing.groups if group.title.startswith("the image"))
    assert [text.words for text in texts_of([image]) if text.look == "label"] == ["3", "227", "227"]
    assert "conv2: convolution, 256 kernels of 5x5x48, reads its own tower, output 256x27x27, 307,456 parameters" in (
        group_named(drawing, "conv2").title
    )


def looks_of(group: Group) -> list[str]:
    return [element.look for element in group.elements if isinstance(element, Line)]


def test_lines_cross_where_a_layer_reads_all_and_nowhere_else() -> None:
    graph = graph_of(FLAGSHIP)
    drawing = drawing_of(graph)
    *figure, _ = drawing.groups
    crossing = {group.name for group in figure if "across" in looks_of(group)}
    assert crossing == {"conv3", "fc6", "fc7", "fc8"}
    for node in graph.nodes:
        if node.neurons and node.given[0].towers > 1:
            assert (node.layer.name in crossing) == (getattr(node.layer.kind, "reads", None) == "all")


@pytest.mark.parametrize(
    ("reads", "others"),
    [
        ("tower", []),
        ("row", [1, 0, 3, 2]),
        ("cross", [1, 2, 0, 3, 0, 3, 1, 2]),
        ("all", [1, 2, 3, 0, 2, 3, 0, 1, 3, 0, 1, 2]),
    ],
)
def test_dotted_lines_join_the_towers_of_a_grid_that_read_each_other(reads: str, others: list[int]) -> None:
    body = f"c: conv 16 kernel=3\n d: conv 16 kernel=3 reads={reads}\n e: conv 16 kernel=3 reads=tower"
    checked = check_text(f"network N {{\n input 3x32x32\n towers 2x2\n {body}\n}}\n", "n.net")
    assert checked.graph is not None, checked.diagnostics
    drawing = drawing_of(checked.graph)
    middles = [
        element.box.middle.y
        for element in group_named(drawing, "c").elements
        if isinstance(element, Face) and element.look == "maps"
    ]
    front = middles[:: len(middles) // 4]
    lines = [
        element
        for element in group_named(drawing, "d").elements
        if isinstance(element, Line) and element.look == "across"
    ]
    starts = [min(range(4), key=lambda tower: abs(front[tower] - line.points[0].y)) for line in lines[::2]]
    assert starts == others


def test_lines_lead_from_the_towers_that_are_read() -> None:
    """A crossing line ends in another tower than it starts in; every other line ends in the same tower."""
    drawing = drawing_of(graph_of(FLAGSHIP))
    volumes = {
        group.name: [element.box for element in group.elements if isinstance(element, Face) and element.look == "maps"]
        for group in drawing.groups
    }
    for before, name in pairwise(["conv1", "conv2", "conv3", "conv4", "conv5"]):
        middle = sum(box.middle.y for box in volumes[name]) / len(volumes[name])
        below = sum(box.middle.y for box in volumes[before]) / len(volumes[before])
        lines = [element for element in group_named(drawing, name).elements if isinstance(element, Line)]
        assert len(lines) == (12 if name == "conv3" else 8)
        for line in lines:
            start, *_, end = line.points
            assert ((start.y > below) != (end.y > middle)) == (line.look == "across")


def test_a_kernels_window_is_to_scale_within_its_maps() -> None:
    drawing = drawing_of(graph_of(FLAGSHIP))
    maps = next(
        element
        for element in group_named(drawing, "conv1").elements
        if isinstance(element, Face) and element.look == "maps"
    )
    window = next(
        element
        for element in group_named(drawing, "conv2").elements
        if isinstance(element, Face) and element.look == "kernel"
    )
    high, all_high = (face.corners[0].y - face.corners[1].y for face in (window, maps))
    assert high / all_high == pytest.approx(5 / 27)


def test_scales_keep_the_order_of_sizes() -> None:
    shapes = [Shape((channels, side, side)) for channels, side in ((3, 227), (48, 55), (128, 27), (192, 13), (256, 6))]
    shapes += [Shape((2048,)), Shape((1000,)), Shape((10,))]
    scale = Scale.of(shapes)
    drawn = [scale.volume(shape, 0, 0) for shape in shapes]
    maps, bars = drawn[:5], drawn[5:]
    assert all(left.height > right.height and left.away > right.away for left, right in pairwise(maps))
    assert all(left.across < right.across for left, right in pairwise(maps))
    assert all(left.height > right.height for left, right in pairwise(bars))
    assert maps[-1].height > 15
    assert maps[0].height < 200


def test_only_some_of_many_towers_are_drawn_and_the_heading_says_so() -> None:
    drawing = drawing_of(graph_of(TOWERS))
    assert any("4 of the towers are drawn" in text.words for text in texts_of(drawing.groups))
    *figure, _ = drawing.groups
    assert len([face for face in faces_of(figure) if face.look == "maps"]) == 2 * 4 * 3


def test_repeated_blocks_are_drawn_once() -> None:
    graph = graph_of(BRANCHES)
    kept, (repeat,) = fold(blocks_of(graph))
    assert [kept[place].name for place in repeat.blocks] == ["same1.a", "same1.b", "same1.b.add"]
    assert (repeat.times, repeat.last) == (3, "same3.b.add")
    drawing = drawing_of(graph)
    assert "3×" in [text.words for text in texts_of(drawing.groups)]
    assert group_named(drawing, "same1.a").title.startswith("3 times, to same3.a; same1.a: convolution, 8 kernels")
    names = {block.name for block in kept}
    assert {node.layer.name for node in graph.nodes if node.neurons} - names == {
        "same2.a",
        "same2.b",
        "same3.a",
        "same3.b",
    }
    for block in kept:
        assert all(read < kept.index(block) for read in block.reads)
    reads = {block.name: [kept[read].name for read in block.reads] for block in kept}
    assert reads["wide"] == ["same1.b.add"]
    assert reads["both"] == ["left", "right.conv"]


def test_unequal_blocks_are_not_folded() -> None:
    different = BRANCHES.replace("repeat 3 { same: unit 8 }", "one: unit 8\n  two: unit 8")
    wider = different.replace(
        "add input -> relu\n}",
        "add input -> relu\n}\nblock other(kernels) {\n"
        "  a: conv kernels kernel=5 pad=2 -> relu\n  b: conv kernels kernel=3 pad=1 -> add input -> relu\n}",
    )
    assert fold(blocks_of(graph_of(different)))[1] != []
    assert fold(blocks_of(graph_of(wider.replace("two: unit", "two: other"))))[1] == []


def test_every_block_of_a_branched_network_is_drawn_with_its_shape() -> None:
    drawing = drawing_of(graph_of(ROOT / "examples" / "googlenet.net"))
    graph = graph_of(ROOT / "examples" / "googlenet.net")
    for node in graph.nodes:
        if node.neurons:
            assert "×".join(map(str, node.output.sizes)) in words_of(group_named(drawing, node.layer.name))
    arrows = [
        element for element in drawing.groups[1].elements if isinstance(element, Line) and len(element.points) == 3
    ]
    assert len(arrows) == sum(len(block.reads) for block in blocks_of(graph))


def test_names_are_escaped() -> None:
    graph = graph_of(FLAGSHIP)
    hostile = '</title><script>alert("&")</script>'
    layers = [
        replace(
            node,
            layer=replace(
                node.layer,
                name=f"{node.layer.name}{hostile}",
                inputs=tuple(name and f"{name}{hostile}" for name in node.layer.inputs),
            ),
        )
        for node in graph.nodes
    ]
    changed = Graph(replace(graph.net, name=f"Net{hostile}"), tuple(layers))
    svg = draw_svg(changed)
    root = ElementTree.fromstring(svg)
    assert [element.tag for element in root.iter() if "script" in element.tag] == []
    assert "<script" not in svg
    assert root.findtext(f"{SVG}title") == f"Net{hostile}"


def test_the_same_network_gives_the_same_bytes() -> None:
    for name in ("spec/alexnet.net", "examples/googlenet.net"):
        assert draw_svg(graph_of(ROOT / name)) == draw_svg(graph_of(ROOT / name))


def test_colours_are_for_light_and_dark() -> None:
    graph = graph_of(FLAGSHIP)
    either, light, dark = (draw_svg(graph, theme) for theme in ("either", "light", "dark"))
    assert either.count("@media (prefers-color-scheme: dark)") == 1
    assert "@media" not in light + dark
    before, after, pages = either.split("@media")
    assert '.alexc-picture[data-colors="either"] .paper { fill: #ffffff }' in before
    assert '.alexc-picture[data-colors="either"] .paper { fill: #0d1117 }' in after
    light_pages, dark_pages = re.findall(r":is\((.*)\) \{\n((?:\..*\n)+)\}", pages)
    for attribute in ('[data-jp-theme-light="true"]', '[data-theme="light"]', 'html[theme="light"]'):
        assert attribute in light_pages[0]
        assert attribute.replace("light", "dark").replace("-dark=", "-light=").replace("true", "false") in dark_pages[0]
    assert light_pages[1].rstrip() in before
    assert dark_pages[1].rstrip() in after
    for theme, text in (("light", light), ("dark", dark)):
        assert f'[data-colors="{theme}"] .paper' in text
        assert '[data-colors="either"]' not in text
        without_colors = [rule for rule in before.splitlines() if rule.startswith(".alexc") and "#" not in rule]
        assert len(without_colors) > 10
        assert [rule for rule in without_colors if rule not in text.splitlines()] == []
    used = set(re.findall(r'class="(\w+)"', either)) - {"alexc-picture"}
    for look in used:
        for style in (before, after.split("</style>")[0]):
            assert re.search(rf"\.alexc-picture\S* (polygon)?\.{look} \{{[^}}]*(fill|stroke): #", style), look


def test_pictures_of_one_network_on_a_page_share_no_identifier() -> None:
    drawing = drawing_of(graph_of(FLAGSHIP))
    first, second = (
        {element.get("id") for element in ElementTree.fromstring(svg_of(drawing, number=number)).iter()} - {None}
        for number in (1, 2)
    )
    assert len(first) == len(second) > 8
    assert first & second == set()
    assert "<a " in svg_of(drawing)
    assert "<a " not in svg_of(drawing, number=1)


@pytest.mark.parametrize("picture", sorted(path.stem for path in PICTURES.glob("*.svg")))
def test_the_pictures_in_the_documents_are_current(picture: str) -> None:
    (spec,) = [*ROOT.glob(f"spec/{picture}.net"), *ROOT.glob(f"examples/**/{picture}.net")]
    command = f"run `alexc draw {spec.relative_to(ROOT)} -o docs/pictures/{picture}.svg`"
    assert (PICTURES / f"{picture}.svg").read_text(encoding="utf-8") == draw_svg(graph_of(spec)), command


def test_the_command_writes_an_svg_named_as_the_spec(alexc: Alexc, tmp_path: Path) -> None:
    result = alexc("draw", FLAGSHIP)
    assert (result.returncode, result.stdout, result.stderr) == (0, "alexnet.svg  written\n", "")
    assert (tmp_path / "alexnet.svg").read_text(encoding="utf-8") == draw_svg(graph_of(FLAGSHIP))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "paper"), [((), (255, 255, 255)), (("--dark",), (13, 17, 23))], ids=["light", "dark"]
)
def test_the_command_writes_a_png(
    alexc: Alexc, tmp_path: Path, option: tuple[str, ...], paper: tuple[int, ...]
) -> None:
    result = alexc("draw", ROOT / "examples" / "resnet18.net", "-o", "net.png", *option)
    assert (result.returncode, result.stderr) == (0, "")
    with Image.open(tmp_path / "net.png") as image:
        width, height = drawing_of(graph_of(ROOT / "examples" / "resnet18.net")).size
        assert image.size == pytest.approx((2 * width, 2 * height), abs=2)
        pixels = image.convert("RGB")
    assert pixels.getpixel((1, 1)) == paper
    colors = {color: count for count, color in pixels.getcolors(pixels.width * pixels.height) or ()}
    assert len(colors) > 100
    assert colors[paper] > 0.5 * pixels.width * pixels.height


def test_a_png_contains_the_names(tmp_path: Path, alexc: Alexc) -> None:
    """There are dark pixels at the name of a layer, which no other element covers."""
    assert alexc("draw", FLAGSHIP, "-o", "net.png").returncode == 0
    drawing = drawing_of(graph_of(FLAGSHIP))
    (name,) = (text for text in texts_of(drawing.groups) if text.words == "conv3")
    with Image.open(tmp_path / "net.png") as image:
        left, top, right, bottom = (
            2 * (side - start) for side, start in zip(name.box, drawing.box[:2] * 2, strict=True)
        )
        darkest, _ = image.convert("L").crop((left, top, right, bottom)).getextrema()
    assert isinstance(darkest, int)
    assert darkest < 60


@pytest.mark.slow
@pytest.mark.parametrize("name", ["net.svg", "net.png"])
def test_only_a_picture_that_alexc_made_is_overwritten(alexc: Alexc, tmp_path: Path, name: str) -> None:
    from PIL import Image

    small, drawing = ROOT / "examples" / "small.net", tmp_path / name
    assert alexc("draw", FLAGSHIP, "-o", name).returncode == 0
    before = drawing.read_bytes()
    if name == "net.png":
        with Image.open(drawing) as opened:
            opened.load()
            assert opened.info["Software"] == "alexc"
    assert alexc("draw", small, "-o", name).returncode == 0
    assert drawing.read_bytes() != before
    mine = drawing.read_bytes().replace(b"alexc-picture", b"a-drawing").replace(b"Software\0alexc", b"Software\0mine!")
    for put in (lambda: drawing.write_bytes(mine), lambda: drawing.symlink_to(tmp_path / "elsewhere")):
        drawing.unlink()
        put()
        refused = alexc("draw", small, "-o", name)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == (
            f"error: {name}: exists and was not made by alexc; move it away, or give another name with -o\n"
        )
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.slow
def test_mistakes_are_told(alexc: Alexc, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    other = alexc("draw", FLAGSHIP, "-o", "thesis.txt")
    assert (other.returncode, (tmp_path / "thesis.txt").read_text()) == (1, "mine")
    assert other.stderr == "error: thesis.txt: a picture's name ends in .svg or .png, as in alexnet.svg\n"
    for name in ("missing/net.svg", "missing/net.png"):
        nowhere = alexc("draw", FLAGSHIP, "-o", name)
        assert (nowhere.returncode, nowhere.stderr) == (
            1,
            f"error: {name} cannot be written (no such file or directory): make the folder missing\n",
        )
    assert alexc("draw", "absent.net").returncode == 1
    (tmp_path / "bad.net").write_text(FLAGSHIP.read_text().replace("reads=tower", "", 1))
    bad = alexc("draw", "bad.net")
    assert bad.returncode == 1
    assert "E0301" in bad.stderr
    assert not (tmp_path / "bad.svg").exists()
