"""Links: stories that belong together, as when a webhook goes on with a flow that began days before."""

from __future__ import annotations

from collections.abc import Iterable

from ezlogs.story.language import ENGLISH, Language
from ezlogs.story.telling import Story
from ezlogs.story.wording import printable


def linked(story: Story) -> tuple[str, ...]:
    """Return the correlation ids of the other stories that a story's events name, in the order of their naming."""
    names = (event.correlation.linked_correlation_id for event in story.events)
    return tuple(dict.fromkeys(name for name in names if name is not None and name != story.correlation_id))


def origins(story: Story, others: Iterable[Story] = (), language: Language = ENGLISH) -> str:
    """Return a line that says which other stories a story goes on from; empty where it names none.

    Args:
        story: The story.
        others: Stories that are known; one that the line names is told by its title, else by its id alone.
        language: What the line is said in.
    """
    titles = {other.correlation_id: other.title for other in others}
    names = [f"{titles[name]} ({name[:8]})" if name in titles else name for name in linked(story)]
    return printable(language.say("goes_on", stories=language.listed(names))) if names else ""


def together(found: Iterable[Story]) -> list[tuple[Story, ...]]:
    """Return stories in groups: those that are linked, directly or over others, in one.

    Both the stories of a group and the groups are in the order in which they were given. A link to a story that is
    not among them joins those that name it.

    Args:
        found: Such as `stories` returns them.
    """
    leaders: dict[str, str] = {}

    def leader(name: str) -> str:
        while (above := leaders.setdefault(name, name)) != name:
            leaders[name] = leaders[above]  # so that the way is shorter the next time
            name = above
        return name

    kept = list(found)
    for story in kept:
        for other in linked(story):
            leaders[leader(other)] = leader(story.correlation_id)
    groups: dict[str, list[Story]] = {}
    for story in kept:
        groups.setdefault(leader(story.correlation_id), []).append(story)
    return [tuple(group) for group in groups.values()]
