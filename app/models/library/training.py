"""What trainers write into a file about its training (`ss_*`), in readable form."""

import json
from collections import Counter
from collections.abc import Mapping


def tag_counts(told: str) -> Counter[str]:
    """How often each tag stood beside a picture, from `ss_tag_frequency`: JSON of folders of tags; empty for what is none."""
    counts: Counter[str] = Counter()
    try:
        folders = json.loads(told) if told else {}
    except (ValueError, RecursionError):
        return counts
    for tags in folders.values() if isinstance(folders, Mapping) else ():
        for tag, count in tags.items() if isinstance(tags, Mapping) else ():
            if isinstance(count, int) and tag.strip():
                counts[tag.strip()] += count
    return counts


def frequent_tags(told: str, most: int) -> list[str]:
    """The most frequent tags of `ss_tag_frequency`."""
    return [tag for tag, _ in tag_counts(told).most_common(most)]
