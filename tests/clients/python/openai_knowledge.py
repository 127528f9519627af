"""The openai package of PyPI asks a host about a document, whole and as a stream.

HARDPOINT_URL is the base URL, HARDPOINT_KEY a key, HARDPOINT_KB a knowledge base, HARDPOINT_QUESTION what is asked.
Prints one JSON object: the pages that are cited by each way, and the answers.
"""

import json
import os

import openai

client = openai.OpenAI(base_url=os.environ["HARDPOINT_URL"], api_key=os.environ["HARDPOINT_KEY"], max_retries=0)
ask = {
    "model": "extractive",
    "messages": [{"role": "user", "content": os.environ["HARDPOINT_QUESTION"]}],
    "extra_body": {"knowledge": [os.environ["HARDPOINT_KB"]]},
}

whole = client.chat.completions.create(**ask)
sources = whole.model_extra["sources"]

first, streamed, text = None, [], ""
for chunk in client.chat.completions.create(stream=True, **ask):
    if first is None:
        first = chunk
        assert not chunk.choices[0].delta.content, "the sources come before the first token"
        streamed = chunk.model_extra["sources"]
    elif chunk.choices and chunk.choices[0].delta.content:
        text += chunk.choices[0].delta.content

print(
    json.dumps(
        {
            "whole": whole.choices[0].message.content,
            "streamed": text,
            "pages": [[source["document_filename"], source["page"]] for source in sources],
            "streamed_pages": [[source["document_filename"], source["page"]] for source in streamed],
        }
    )
)
