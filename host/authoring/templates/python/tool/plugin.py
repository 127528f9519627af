"""A tool that counts what is in a text."""

import re
from collections import Counter

from hardpoint.tool import Tool

# Modules are imported when the component is built: what is made here costs no call anything.
EDGES = re.compile(r"^\W+|\W+$")
ENDS = re.compile("[.!?]")


class WordStatistics(Tool):
    description = (
        "Counts the words, sentences and characters of a text and lists its most common words. Use it instead "
        "of counting yourself."
    )

    # What models see, and what every call is checked against.
    parameters = {
        "type": "object",
        "required": ["text"],
        "additionalProperties": False,
        "properties": {
            "text": {"type": "string", "description": "The text."},
            "top": {
                "type": "integer",
                "minimum": 0,
                "maximum": 100,
                "default": 5,
                "description": "How many of the most common words to list, at most 100.",
            },
        },
    }

    def call(self, arguments, settings):
        text = arguments["text"]
        found = words(text)
        ignored = settings.get("ignored", [])
        counts = Counter(word for word in found if word not in ignored)
        # The most common first; of equally common ones the first by alphabet.
        ranked = sorted(counts.items(), key=lambda counted: (-counted[1], counted[0]))
        return {
            "words": len(found),
            "sentences": sentences(text),
            "characters": len(text),
            "most_common": [{"word": word, "count": count} for word, count in ranked[: arguments["top"]]],
        }


def words(text):
    """In lower case, without the punctuation around them."""
    stripped = (EDGES.sub("", word).lower() for word in text.split())
    return [word for word in stripped if word]


def sentences(text):
    """Runs of `.`, `!` or `?` end sentences; so does the end of the text."""
    return sum(any(map(str.isalnum, piece)) for piece in ENDS.split(text))


plugin = WordStatistics()
