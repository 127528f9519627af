"""The openai package of PyPI against a host. The test that starts this has set up the models it asks for.

HARDPOINT_URL is the base URL, HARDPOINT_KEY a key. Arguments name tests to run in the place of all.
"""

import base64
import json
import os
import struct
import sys
import threading
import traceback

import openai

URL, KEY = os.environ["HARDPOINT_URL"], os.environ["HARDPOINT_KEY"]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def client(key=KEY, url=URL, **options):
    return openai.OpenAI(base_url=url, api_key=key, **{"max_retries": 0, "timeout": 60, **options})


def says(text):
    return [{"role": "user", "content": text}]


def equal(got, expected):
    assert got == expected, f"{got!r} is not {expected!r}"


def plain():
    answer = client().chat.completions.create(
        model="echo",
        messages=[{"role": "system", "content": "Be brief."}, *says("Grüße, 世界 🌍")],
        temperature=0.5,
        seed=7,
        stop=["END"],
        max_tokens=50,
    )
    choice = answer.choices[0]
    equal((answer.object, choice.message.role, choice.message.content), ("chat.completion", "assistant", "Grüße, 世界 🌍"))
    equal((choice.finish_reason, choice.message.tool_calls), ("stop", None))
    assert answer.id and answer.created > 0
    equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
    assert answer.usage.completion_tokens > 0


def parts():
    image = "data:image/png;base64,iVBORw0KGgo="
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": image, "detail": "low"}}]
    answer = client().chat.completions.create(model="echo", messages=[{"role": "user", "content": content}])
    equal(answer.choices[0].message.content, "What is this?")


def streamed():
    stream = client().chat.completions.create(
        model="echo", messages=says("one two three 世界"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert all(chunk.object == "chat.completion.chunk" for chunk in chunks)
    equal(len({chunk.id for chunk in chunks}), 1)
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    equal("".join(pieces), "one two three 世界")
    assert len(pieces) > 1, "the answer came in one piece"
    equal([chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1], "stop")
    equal(chunks[-1].choices, [])
    assert chunks[-1].usage.total_tokens > 0


def streamed_with_helper():
    with client().chat.completions.stream(model="echo", messages=says("as the helper gathers it")) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    equal(final.choices[0].message.content, "as the helper gathers it")


def streamed_in_splinters():
    stream = client().chat.completions.create(model="splinters", messages=says("ünïcödé 世界 🌍🌎🌏"), stream=True)
    equal("".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices), "ünïcödé 世界 🌍🌎🌏")


def tools_round_trip():
    messages = says("What is the weather in Paris?")
    first = client().chat.completions.create(model="weather", messages=messages, tools=[WEATHER], tool_choice="auto")
    choice = first.choices[0]
    equal((choice.finish_reason, len(choice.message.tool_calls)), ("tool_calls", 1))
    call = choice.message.tool_calls[0]
    equal((call.type, call.function.name), ("function", "get_weather"))
    equal(json.loads(call.function.arguments), {"city": "Paris"})
    messages += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "18 degrees, dry"}]
    second = client().chat.completions.create(model="weather", messages=messages, tools=[WEATHER])
    equal((second.choices[0].finish_reason, second.choices[0].message.content), ("stop", "18 degrees, dry"))


def tools_streamed():
    stream = client().chat.completions.create(model="weather", messages=says("Paris?"), tools=[WEATHER], stream=True)
    name, arguments, finish, identity = "", "", None, None
    for chunk in stream:
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            for piece in choice.delta.tool_calls or []:
                equal(piece.index, 0)
                identity = piece.id or identity
                name += piece.function.name or ""
                arguments += piece.function.arguments or ""
    equal((name, json.loads(arguments), finish), ("get_weather", {"city": "Paris"}, "tool_calls"))
    assert identity


def tool_choice_none():
    answer = client().chat.completions.create(
        model="weather", messages=says("no tools"), tools=[WEATHER], tool_choice="none"
    )
    equal((answer.choices[0].finish_reason, answer.choices[0].message.content), ("stop", "no tools"))


def hosts_own_loop():
    answer = client().chat.completions.create(model="reckoner", messages=says("What is 6 times 7?"))
    message = answer.choices[0].message
    equal((answer.choices[0].finish_reason, message.tool_calls), ("stop", None))
    assert "42" in message.content, message.content


def hosts_own_loop_streamed():
    stream = client().chat.completions.create(model="reckoner", messages=says("What is 6 times 7?"), stream=True)
    text = ""
    for chunk in stream:
        for choice in chunk.choices:
            assert not choice.delta.tool_calls, "a call of the host's own tool was shown"
            text += choice.delta.content or ""
    assert "42" in text, text


def json_object():
    answer = client().chat.completions.create(
        model="echo", messages=says("in JSON"), response_format={"type": "json_object"}
    )
    equal(json.loads(answer.choices[0].message.content), {"said": "in JSON"})


def json_schema():
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "words": {"type": "integer"}},
        "required": ["title", "words"],
        "additionalProperties": False,
    }
    answer = client().chat.completions.create(
        model="echo",
        messages=says("three small words"),
        response_format={"type": "json_schema", "json_schema": {"name": "summary", "schema": schema, "strict": True}},
    )
    equal(json.loads(answer.choices[0].message.content), {"title": "three small words", "words": 3})


def embeddings():
    answer = client().embeddings.create(model="embed", input=["first", "second"], dimensions=4)
    equal([(item.object, item.index, len(item.embedding)) for item in answer.data], [("embedding", 0, 4), ("embedding", 1, 4)])
    assert answer.data[0].embedding != answer.data[1].embedding
    assert answer.usage.prompt_tokens > 0
    # The package itself asks for base64 unless told otherwise: both encodings tell the same numbers.
    floats = client().embeddings.create(model="embed", input="first", dimensions=4, encoding_format="float")
    equal(floats.data[0].embedding, answer.data[0].embedding)
    raw = client().embeddings.with_raw_response.create(model="embed", input="first", dimensions=4, encoding_format="base64")
    decoded = base64.b64decode(json.loads(raw.text)["data"][0]["embedding"])
    equal(list(struct.unpack("<4f", decoded)), answer.data[0].embedding)


def models():
    listed = {model.id for model in client().models.list()}
    assert {"echo", "weather", "embed"} <= listed, listed
    equal(client().models.retrieve("echo").id, "echo")


def raises(expected, status, ask):
    try:
        ask()
    except openai.APIError as error:
        equal(type(error).__name__, expected.__name__)
        if status is not None:
            equal(error.status_code, status)
            assert error.body["message"] and error.body["type"], error.body
            assert error.response.headers["request-id"]
        return error
    raise AssertionError(f"no {expected.__name__}")


def errors():
    ask = lambda model, **more: client(**more).chat.completions.create(model=model, messages=says("hello"))
    raises(openai.BadRequestError, 400, lambda: ask("status-400"))
    raises(openai.UnprocessableEntityError, 422, lambda: ask("status-422"))
    limited = raises(openai.RateLimitError, 429, lambda: ask("status-429"))
    assert int(limited.response.headers["retry-after"]) >= 1
    # Credentials of the host that the provider refuses are nothing the client did.
    for status in (401, 403, 500, 502):
        raises(openai.InternalServerError, 502, lambda: ask(f"status-{status}"))
    raises(openai.InternalServerError, 503, lambda: ask("status-503"))
    raises(openai.AuthenticationError, 401, lambda: ask("echo", key="hp_live_wrong"))
    raises(openai.UnprocessableEntityError, 422, lambda: ask("no-such-model"))
    raises(openai.NotFoundError, 404, lambda: client().models.retrieve("no-such-model"))
    raises(openai.BadRequestError, 400, lambda: client().chat.completions.create(model="echo", messages=[]))
    wrong = raises(openai.BadRequestError, 400, lambda: client().chat.completions.create(
        model="echo", messages=says("x"), temperature="hot"))
    equal(wrong.param, "temperature")
    raises(openai.APIConnectionError, None, lambda: ask("echo", url="http://127.0.0.1:9/v1"))
    raises(openai.APITimeoutError, None, lambda: ask("silent", timeout=0.5))


def dies_mid_stream():
    stream = client().chat.completions.create(model="dies", messages=says("hello"), stream=True)
    text = ""

    def read():
        nonlocal text
        for chunk in stream:
            text += chunk.choices[0].delta.content or "" if chunk.choices else ""

    raises(openai.APIError, None, read)
    equal(text, "as far as ")


def retries():
    # The host itself tries again: the first two attempts were refused upstream.
    answer = client().chat.completions.create(model="flaky", messages=says("third time lucky"))
    equal(answer.choices[0].message.content, "third time lucky")


def fallback():
    for streamed_too in (False, True):
        answer = client().chat.completions.create(model="fragile", messages=says("who answers?"), stream=streamed_too)
        if streamed_too:
            chunks = list(answer)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            equal((text, {chunk.model for chunk in chunks}), ("who answers?", {"echo"}))
        else:
            equal((answer.choices[0].message.content, answer.model), ("who answers?", "echo"))


def cancellation():
    stream = client().chat.completions.create(model="endless", messages=says("never stop"), stream=True)
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            break
    stream.close()


def side_by_side():
    shared, wrong = client(), []

    def ask(number):
        answer = shared.chat.completions.create(model="echo", messages=says(f"number {number}"))
        if answer.choices[0].message.content != f"number {number}":
            wrong.append(number)

    threads = [threading.Thread(target=ask, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(wrong, [])


TESTS = [
    plain, parts, streamed, streamed_with_helper, streamed_in_splinters, tools_round_trip, tools_streamed,
    tool_choice_none, hosts_own_loop, hosts_own_loop_streamed, json_object, json_schema, embeddings, models,
    errors, dies_mid_stream, retries, fallback, cancellation, side_by_side,
]


def main():
    wanted, failed = sys.argv[1:], 0
    chosen = [test for test in TESTS if not wanted or test.__name__ in wanted]
    for test in chosen:
        try:
            test()
            print(f"{test.__name__}: ok")
        except Exception:
            failed += 1
            print(f"{test.__name__}: FAILED\n{traceback.format_exc()}")
    print(f"openai-python: {len(chosen) - failed} passed, {failed} failed")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
