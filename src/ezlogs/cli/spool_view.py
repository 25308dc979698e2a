"""How `ezlogs spool` shows what is on disk: for people, and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ezlogs.delivery.resend import Resending
from ezlogs.journal.dead import DeadLetters, Letter
from ezlogs.journal.directory import Directory
from ezlogs.journal.spool import Spooled
from ezlogs.story import Told, stories
from ezlogs.story.wording import counted, printable, shortened

_PROBLEMS: Final = {
    "torn": ("file", "whose end is damaged"),
    "unreadable": ("file", "that cannot be read"),
    "newer": ("file", "of a later version of ezlogs"),
    "unknown": ("record", "of a kind that this version does not know"),
    "damaged": ("record", "that cannot be read"),
}
_PRIORITIES: Final = ("audit", "error", "normal", "debug", "unknown")
_AGES: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))

Names = tuple[str, ...]


def listing(
    base: str,
    processes: Mapping[Names, Sequence[Spooled]],
    dead: Mapping[Names, DeadLetters],
    endpoints: Mapping[str, str],
    now: int,
    *,
    each_letter: bool,
) -> Iterator[RenderableType]:
    """Yield what is on disk, by service and collector.

    Args:
        base: The state directory.
        processes: What processes have, by the names of their directory.
        dead: What was refused, likewise.
        endpoints: The addresses that are known, by the names of their directories.
        now: Unix time in nanoseconds.
        each_letter: Whether each refused request is told instead of all together.
    """
    yield Text(base, "dim")
    for names, spooled in processes.items():
        if names in dead or (spooled and not each_letter):
            service, collector = names[0], names[-1]
            problems: Counter[str] = Counter()
            letters = [*dead[names].letters(problems)] if names in dead else []
            unnamed = f"a collector that the settings do not name ({collector})"
            where = endpoints.get(collector, letters[-1].endpoint if letters else unnamed)
            yield Text()
            yield Text.assemble((printable(service), "bold cyan"), (f" to {printable(where)}", "dim"))
            if not each_letter:
                yield _inside(_processes(spooled, now))
            if names in dead:
                yield _inside(_each(letters, problems, now) if each_letter else _together(letters, problems))
    yield Text()
    yield _dead_summary(dead) if each_letter else _summary([one for some in processes.values() for one in some], dead)


def _inside(block: RenderableType) -> RenderableType:
    return Padding(block, (0, 0, 0, 2), expand=False)


def _processes(spooled: Sequence[Spooled], now: int) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(4):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    pids = Counter(one.pid for one in spooled)
    for one in spooled:
        told = [
            ", ".join(
                f"{one.priorities[name]:,} {name}"
                for name in _PRIORITIES
                if name in one.priorities and name != "normal"
            ),
            "" if one.oldest is None else f"the oldest {age(now - one.oldest)} old",
            *(problem(what, times) for what, times in one.problems.items()),
        ]
        table.add_row(
            Text(one.home if one.pid is None or pids[one.pid] > 1 else str(one.pid), "bold"),
            Text("alive", "green") if one.living else Text("dead", "yellow"),
            Text(counted(one.waiting, "record"), "" if one.waiting else "dim"),
            Text(size(one.size), "dim"),
            Text("; ".join(filter(None, told)), "bold yellow" if one.problems else ""),
        )
    return table


def _together(letters: Sequence[Letter], problems: Counter[str]) -> Text:
    events, total = sum(letter.events for letter in letters), sum(len(letter.body) for letter in letters)
    told = [f"refused for good: {counted(events, 'event')} in {counted(len(letters), 'request')}, {size(total)}"]
    told += [problem(what, times) for what, times in problems.items()]
    return Text("; ".join(told), "red")


def _each(letters: Sequence[Letter], problems: Counter[str], now: int) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for letter in letters:
        table.add_row(
            Text(f"{age(now - letter.at)} ago", "dim"),
            Text(counted(letter.events, "event"), "bold"),
            Text(size(len(letter.body)), "dim"),
            Text(shortened(printable(letter.reason), 200), "red"),
        )
    for what, times in problems.items():
        table.add_row("", "", "", Text(problem(what, times), "bold yellow"))
    return table


def _summary(spooled: Sequence[Spooled], dead: Mapping[Names, DeadLetters]) -> Text:
    left = sum(one.waiting for one in spooled if not one.living)
    alive = sum(one.waiting for one in spooled if one.living)
    told = []
    if alive:
        told.append(f"{counted(alive, 'record')} of living processes, which deliver them")
    if left:
        told.append(
            f"{counted(left, 'record')} of dead ones: the next of their service delivers them, or ezlogs spool send"
        )
    if dead:
        told.append("ezlogs spool ls --dead says why something was refused")
    return Text("\n".join(told) if told else "nothing waits", "" if told else "green")


def _dead_summary(dead: Mapping[Names, DeadLetters]) -> Text:
    if not dead:
        return Text("nothing was refused", "green")
    return Text("ezlogs spool show --dead shows the events, ezlogs spool send --dead tries again")


def sentence(one: Told) -> Text:
    """Return an event as a line: when, of which service, what happened."""
    [story] = stories([one])
    at = datetime.fromtimestamp(one.event.timestamp / 1e9).astimezone()
    return Text.assemble(
        (f"{at:%Y-%m-%d %H:%M:%S}", "dim"),
        " ",
        (printable(one.service or "?"), "cyan"),
        " ",
        (one.event.event_type, "dim"),
        " ",
        story.sentences[0].text,
    )


def process_json(directory: Directory, spooled: Spooled) -> dict[str, Any]:
    """Return what a process has on disk as plain values. Times are Unix time in nanoseconds."""
    return {
        "service": directory.names[0],
        "collector": directory.names[-1],
        "process": spooled.home,
        "pid": spooled.pid,
        "alive": spooled.living,
        "waiting": spooled.waiting,
        "priorities": dict(spooled.priorities),
        "bytes": spooled.size,
        "segments": spooled.segments,
        "oldest": spooled.oldest,
        "newest": spooled.newest,
        "problems": dict(spooled.problems),
    }


def box_json(directory: Directory, letters: DeadLetters) -> dict[str, Any]:
    """Return the dead letters of a service and collector as plain values, without their bodies."""
    problems: Counter[str] = Counter()
    told = [
        {
            "name": letter.name,
            "signal": letter.signal,
            "endpoint": letter.endpoint,
            "status": letter.status,
            "reason": letter.reason,
            "events": letter.events,
            "bytes": len(letter.body),
            "at": letter.at,
        }
        for letter in letters.letters(problems)
    ]
    _, total = letters.size()
    return {
        "service": directory.names[0],
        "collector": directory.names[-1],
        "bytes": total,
        "letters": told,
        "problems": dict(problems),
    }


class SentReport(NamedTuple):
    """What became of what was to be sent."""

    sending: Resending
    endpoints: Mapping[str, str]
    elsewhere: int
    """Events, or refused requests, that were meant for another collector."""
    alive: int
    """Events of living processes."""
    dead: bool

    def document(self) -> dict[str, Any]:
        """Return it as plain values."""
        sending = self.sending
        return {
            "endpoints": dict(self.endpoints),
            "delivered": sending.delivered,
            "refused": sending.refused,
            "left": sending.left,
            "thrown_away": sending.partly,
            "elsewhere": self.elsewhere,
            "alive": self.alive,
            "reason": sending.reason,
        }

    def text(self) -> str:
        """Return it in words."""
        sending = self.sending
        lines = [f"{counted(sending.delivered, 'event')} delivered to {' and '.join(_bases(self.endpoints))}"]
        why = f": {printable(sending.reason)}" if sending.reason else ""
        if sending.partly:
            lines.append(f"the collector took them, and threw away {counted(sending.partly, 'record')}{why}")
        if sending.refused:
            lines.append(f"{counted(sending.refused, 'event')} refused, and still on disk{why}")
        if sending.left:
            lines.append(f"{counted(sending.left, 'event')} could not be sent, and wait on disk{why}")
        if self.elsewhere:
            what = counted(self.elsewhere, "refused request" if self.dead else "event")
            lines.append(f"{what} for another collector; --endpoint says where to send them")
        if self.alive:
            lines.append(f"{counted(self.alive, 'event')} of living processes, which deliver them")
        return "\n".join(lines)


def _bases(endpoints: Mapping[str, str]) -> list[str]:
    """Return the addresses without the paths of signals, each once."""
    found = [address.removesuffix("/v1/traces").removesuffix("/v1/logs") for address in endpoints.values()]
    return list(dict.fromkeys(found))


def problem(what: str, times: int) -> str:
    """Return what is wrong with some of it.

    >>> problem("newer", 2)
    '2 files of a later version of ezlogs'
    """
    noun, which = _PROBLEMS.get(what, ("problem", f"of the kind {what}"))
    return f"{counted(times, noun)} {which}"


def size(number_of: int) -> str:
    """Return bytes as people read them.

    >>> size(512), size(2 << 20)
    ('512 B', '2.0 MiB')
    """
    value = float(number_of)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def age(nanoseconds: int) -> str:
    """Return how old something is, in its largest unit.

    >>> age(90 * 10**9), age(3 * 86_400 * 10**9), age(-5)
    ('1 min', '3 d', '0 s')
    """
    seconds = max(0, nanoseconds // 10**9)
    for length, unit in _AGES:
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return "0 s"
