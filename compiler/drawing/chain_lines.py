"""The lines between the stages of a chain, and the windows of kernels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..layers.reading import tower_reads
from .elements import Face, Line, Point, Text
from .labels import place, places_of, room_of
from .stages import Stage
from .volumes import Volume

GAP = 40.0  # between two volumes
_WINDOW_UP, _WINDOW_AWAY = 0.3, 0.4  # the middle of a kernel's window, as shares of the maps' sides
_APEX = (0.0, 0.72, 0.45)  # the point of the output volume where the lines from the window meet


@dataclass(frozen=True)
class Placed:
    """A stage and the volumes of its towers, the upper one first."""

    stage: Stage
    volumes: tuple[Volume, ...]

    @property
    def left(self) -> float:
        """The left of the volumes."""
        return self.volumes[0].left

    @property
    def right(self) -> float:
        """The right of the volumes."""
        return self.volumes[0].right

    @property
    def middle(self) -> float:
        """The middle of the volumes."""
        return (self.left + self.right) / 2

    @property
    def clear(self) -> tuple[float, float]:
        """Between these x coordinates are the volumes and their numbers."""
        left, right = room_of(self.stage, self.volumes[0])
        return self.left - left, self.right + right


@dataclass(frozen=True)
class Joint:
    """What leads to a stage: the windows of its kernels, and the lines. Those of a row's last stage lead out of it."""

    windows: tuple[Face, ...]
    lines: tuple[Line, ...]


def joints_and_numbers(row: Sequence[Placed], follows: Stage | None) -> tuple[list[Joint], list[list[Text]]]:
    """What leads to each stage of a row and out of the row, and the numbers of each stage.

    Lines are straight. Where they leave a number no place, lines of their kind are bent: they are level beside the
    volumes and their numbers.

    Args:
        row: the stages.
        follows: the first stage of the next row.
    """
    bent: set[tuple[int, str]] = set()  # the index of the stage that they lead to, and their look
    while True:
        joints = [_entry(row[0])]
        for index in range(1, len(row)):
            looks = {look for at, look in bent if at == index}
            joints.append(_joint(row[index - 1], row[index], looks))
        if follows is not None:
            joints.append(_exit(row[-1], follows))
        joint_of = {id(line): index for index, joint in enumerate(joints) for line in joint.lines}
        lines = [line for joint in joints for line in joint.lines]
        numbers, crossed = list[list[Text]](), set[tuple[int, str]]()
        for each in row:
            wanted = [places for volume in each.volumes for places in places_of(each.stage, volume)]
            placed, in_the_way = place(wanted, lines)
            numbers.append(placed)
            crossed |= {(joint_of[id(line)], line.look) for line in in_the_way}
        if crossed <= bent:
            return joints, numbers
        bent |= crossed


def _joint(source: Placed, reader: Placed, bent: Collection[str]) -> Joint:
    """The window of a kernel and its lines, or lines from end to end; `bent` are the looks of the lines with bends."""
    windows = [_window(volume, reader.stage) for volume in source.volumes]
    lines: list[Line] = []
    for tower, volume in enumerate(reader.volumes):
        for other, window in enumerate(windows):
            if len(reader.volumes) != len(windows):
                lines += _lines(window, volume, reader.stage, apart=len(reader.volumes) < len(windows))
            elif tower_reads(reader.stage.reads, source.stage.shape.towers, tower, other):
                lines += _lines(window, volume, reader.stage, apart=tower != other)
    between = source.clear[1], reader.clear[0]
    lines = [_bent(line, *between) if line.look in bent else line for line in lines]
    return Joint(_faces(windows, reader.stage), tuple(lines))


def _window(volume: Volume, reader: Stage) -> Volume:
    """The part of a volume that one kernel of the reader covers; all of it if the reader has no kernels."""
    return volume if reader.window is None else volume.part(*reader.window, _WINDOW_UP, _WINDOW_AWAY)


def _faces(windows: Sequence[Volume], reader: Stage) -> tuple[Face, ...]:
    return () if reader.window is None else tuple(face for window in windows for face in window.faces("kernel"))


def _lines(window: Volume, volume: Volume, reader: Stage, *, apart: bool) -> list[Line]:
    if reader.window is not None:
        corners = window.right_corners()
        look, ends = "reads", [(corner, volume.at(*_APEX)) for corner in (corners[::3] if apart else corners)]
    else:
        look, ends = "flow", [(window.at(1, up, 0), volume.at(0, up, 1)) for up in (0, 1)]
    return [Line(points, "across" if apart else look) for points in ends]


def _bent(line: Line, left: float, right: float) -> Line:
    """The line with its slope between these x coordinates; it is level before and after."""
    start, end = line.points
    return Line((start, Point(left, start.y), Point(right, end.y), end), line.look)


def _entry(first: Placed) -> Joint:
    """The arrows at the start of a row that continues the row above."""
    if not first.stage.name:
        return Joint((), ())
    apexes = [volume.at(*_APEX) for volume in first.volumes]
    return Joint((), tuple(line for apex in apexes for line in arrow(Point(0, apex.y), apex, "lead")))


def _exit(last: Placed, follows: Stage) -> Joint:
    """The lines from the last stage of a row to the first stage of the next row."""
    windows = [_window(volume, follows) for volume in last.volumes]
    lines: list[Line] = []
    for window, volume in zip(windows, last.volumes, strict=True):
        end = Point(volume.right + GAP, volume.at(*_APEX).y)
        corners = window.right_corners() if follows.window is not None else (window.at(1, 0, 0), window.at(1, 1, 0))
        lines += [Line((corner, end), "reads" if follows.window is not None else "flow") for corner in corners]
    return Joint(_faces(windows, follows), tuple(lines))


def arrow(start: Point, end: Point, look: str) -> list[Line]:
    """A level line with a head."""
    head = (Point(end.x - 6, end.y - 3.5), end, Point(end.x - 6, end.y + 3.5))
    return [Line((start, end), look), Line(head, look)]
