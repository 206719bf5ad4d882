"""/v1 as OpenAI's own Python client sees it, over a socket."""

from __future__ import annotations

import json

import openai
import pytest
from serving import QUESTION, SECRET_QUESTION, Serve

from loresmith.models.fake import FakeModel

ANSWER = "It is 25 Nm."
QUOTE = "The torque for the M8 flange bolts of the P-200 is 25 Nm."

TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}


def client_of(url: str, key: str = "none needed") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)


def ask(client: openai.OpenAI, question: str = QUESTION, **more):  # type: ignore[no-untyped-def]
    return client.chat.completions.create(
        **{"model": "loresmith", "messages": [{"role": "user", "content": question}], **more}
    )


def test_an_answer_with_its_citations_and_footnotes(serve: Serve) -> None:
    with client_of(serve.live(FakeModel(ANSWER)).url) as client:
        found = ask(client)
    choice = found.choices[0]
    assert choice.finish_reason == "stop"
    assert choice.message.content.startswith(f"{ANSWER}[^1]\n\n[^1]: ")
    assert QUOTE in choice.message.content
    citation = choice.message.citations[0]
    assert citation["quote"] == QUOTE
    assert (citation["document"], citation["index"], citation["sentence"]) == ("p-200.md", 1, 0)
    assert citation["title"] == "P-200 service manual"
    assert found.usage.completion_tokens == 4
    assert choice.loresmith["abstained"] is False


def test_the_pieces_of_a_stream_are_the_plain_answer(serve: Serve) -> None:
    model = FakeModel("The torque is 25 Nm. The M10 foot bolts need 49 Nm.")
    question = "Which torque for the M8 flange bolts and the M10 foot bolts of the P-200?"
    with client_of(serve.live(model).url) as client:
        whole = ask(client, question)
        chunks = list(ask(client, question, stream=True, stream_options={"include_usage": True}))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == whole.usage
    cited = [one for c in chunks if c.choices for one in getattr(c.choices[0].delta, "citations", None) or ()]
    assert [one["quote"] for one in cited] == [one["quote"] for one in whole.choices[0].message.citations]


def test_what_the_documents_do_not_say_is_not_said(serve: Serve) -> None:
    with client_of(serve.live(FakeModel("It is 12 bar.")).url) as client:
        found = ask(client, "Which pressure does the boiler of the X-9 have?").choices[0]
    assert found.message.content == "The documents do not say."
    assert found.loresmith["abstained"]
    assert found.message.citations == []


def test_without_documents_the_models_words_come_as_they_are(serve: Serve) -> None:
    model = FakeModel("Well,  perhaps 25 Nm.\nOr more.")
    with client_of(serve.live(model).url) as client:
        whole = ask(client, model="loresmith-base").choices[0].message.content
        chunks = list(ask(client, model="loresmith-base", stream=True))
    assert whole == "Well,  perhaps 25 Nm.\nOr more."
    pieces = [c.choices[0].delta.content for c in chunks if c.choices[0].delta.content]
    assert "".join(pieces) == whole
    assert len(pieces) == 6


def test_earlier_turns_are_history_without_our_footnotes(serve: Serve) -> None:
    model = FakeModel(ANSWER)
    with client_of(serve.live(model).url) as client:
        first = ask(client).choices[0].message.content
        ask(
            client,
            messages=[
                {"role": "system", "content": "You are a pirate."},
                {"role": "user", "content": QUESTION},
                {"role": "assistant", "content": first},
                {"role": "user", "content": [{"type": "text", "text": "And for the M10 foot bolts?"}]},
            ],
        )
    said = " ".join(message["content"] for message in model.prompts[-1])
    assert "And for the M10 foot bolts?" in said
    assert ANSWER in said
    assert "[^1]" not in said
    assert "pirate" not in said


def test_n_stop_max_tokens_and_seed(serve: Serve) -> None:
    model = FakeModel("One two three four five.")
    with client_of(serve.live(model).url) as client:
        found = ask(client, model="loresmith-base", n=3, max_tokens=2, seed=7)
        assert [c.message.content for c in found.choices] == ["One two"] * 3
        assert [c.finish_reason for c in found.choices] == ["length"] * 3
        assert found.usage.completion_tokens == 6
        stopped = ask(client, model="loresmith-base", stop="three").choices[0]
        assert stopped.message.content.strip() == "One two"
        quoted = ask(client, stop=["flange"]).choices[0].message.content
    assert "flange" not in quoted


def test_tools_that_may_be_called_are_not_and_their_turns_are_no_answers(serve: Serve) -> None:
    model = FakeModel(ANSWER)
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    turns = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "a tool's result"},
        {"role": "assistant", "content": "It is 24 Nm."},
        {"role": "user", "content": "And for the M10 foot bolts?"},
    ]
    with client_of(serve.live(model).url) as client:
        for choice in ("auto", "none", openai.omit):
            found = ask(client, tools=[TOOL], tool_choice=choice).choices[0]
            assert found.message.content.startswith(ANSWER)
            assert found.message.tool_calls is None
            assert found.finish_reason == "stop"
        ask(client, messages=turns, tools=[TOOL])
    said = " ".join(message["content"] for message in model.prompts[-1])
    assert "24 Nm" in said
    assert QUESTION in said
    assert "a tool's result" not in said


def test_a_chat_programs_own_tasks_cost_nothing_and_are_answered_by_the_model_alone(serve: Serve) -> None:
    task = f"### Task:\nGenerate a title.\n<chat_history>\nUSER: {QUESTION}\n</chat_history>"
    model = FakeModel('{"title": "Torques"}')
    with client_of(serve.live(model).url) as client:
        for name in ("loresmith", "loresmith-rag"):
            found = ask(client, task, model=name).choices[0]
            assert found.message.content == "{}"
            assert found.loresmith["abstained"]
            with ask(client, task, model=name, stream=True) as chunks:
                assert next(chunks).choices[0].delta.content == "{}"
        assert model.prompts == []
        assert "Torques" in ask(client, task, model="loresmith-base").choices[0].message.content


def test_json_mode(serve: Serve) -> None:
    model = FakeModel({QUESTION: ANSWER}, default='{"torque": 25}')
    with client_of(serve.live(model).url) as client:
        answer = ask(client, response_format={"type": "json_object"}).choices[0]
        said = json.loads(answer.message.content)
        assert said["sentences"][0]["citations"][0]["quote"] == QUOTE
        assert answer.message.citations[0]["quote"] == QUOTE
        schema = {"type": "json_schema", "json_schema": {"name": "t", "schema": {"type": "object"}}}
        free = ask(client, "Give me JSON.", model="loresmith-base", response_format=schema).choices[0]
        assert json.loads(free.message.content) == {"torque": 25}
        assert model.grammars[-1]
        with pytest.raises(openai.BadRequestError, match="verified sentences"):
            ask(client, response_format=schema)
        for wrong in ({"type": "strnig"}, {"anyOf": []}, {"properties": 3}):
            given = {"type": "json_schema", "json_schema": {"name": "t", "schema": wrong}}
            with pytest.raises(openai.BadRequestError, match="no JSON schema"):
                ask(client, "Give me JSON.", model="loresmith-base", response_format=given)
    free_engine = client_of(serve.live(FakeModel("{}", supports_grammar=False)).url)
    with free_engine as client, pytest.raises(openai.BadRequestError, match="cannot be held"):
        ask(client, model="loresmith-base", response_format=schema)


def test_responses(serve: Serve) -> None:
    with client_of(serve.live(FakeModel(ANSWER)).url) as client:
        whole = client.responses.create(model="loresmith", input=QUESTION)
        assert whole.output_text.startswith(f"{ANSWER}[^1]")
        part = whole.output[0].content[0]
        assert part.citations[0]["quote"] == QUOTE
        (noted,) = part.annotations
        assert (noted.type, noted.filename, noted.quote) == ("file_citation", "p-200.md", QUOTE)
        assert part.text[: noted.index] == f"{ANSWER}[^1]"
        assert whole.usage.output_tokens == 4
        with client.responses.stream(model="loresmith", input=QUESTION) as events:
            kinds = [event.type for event in events]
            final = events.get_final_response()
        assert final.output_text == whole.output_text
        assert kinds[0] == "response.created"
        assert kinds[-1] == "response.completed"
        assert kinds.count("response.output_text.delta") == 2
        assert kinds.count("response.output_text.annotation.added") == 1
        assert final.output[0].content[0].annotations == part.annotations
        turns = [
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": [{"type": "output_text", "text": whole.output_text}]},
            {"role": "user", "content": [{"type": "input_text", "text": "And for the M10 foot bolts?"}]},
        ]
        assert client.responses.create(model="loresmith-base", input=turns).output_text == ANSWER
        short = client.responses.create(model="loresmith-base", input=QUESTION, max_output_tokens=2)
        assert short.incomplete_details.reason == "max_output_tokens"
        with pytest.raises(openai.BadRequestError, match="previous_response_id"):
            client.responses.create(model="loresmith", input="x", previous_response_id="resp_1")
        with pytest.raises(openai.BadRequestError, match="conversation"):
            client.responses.create(model="loresmith", input="x", conversation="conv_1")
        with pytest.raises(openai.BadRequestError, match="not item_reference"):
            client.responses.create(model="loresmith", input=[{"type": "item_reference", "id": "msg_1"}])


def test_models_and_embeddings(serve: Serve) -> None:
    with client_of(serve.live(FakeModel(ANSWER)).url) as client:
        names = [model.id for model in client.models.list()]
        assert names == ["loresmith", "loresmith-base", "loresmith-rag", "loresmith-embed"]
        assert client.models.retrieve("loresmith-rag").loresmith["arm"] == "rag"
        assert client.models.retrieve("loresmith-rag").name == "Documents: plant"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("gpt-4")
        packed = client.embeddings.create(model="loresmith-embed", input=["a pump", "a bolt"])
        plain = client.embeddings.create(
            model="loresmith-embed", input=["a pump", "a bolt"], encoding_format="float"
        )
        assert len(packed.data) == 2
        for one, other in zip(packed.data, plain.data, strict=True):
            assert one.embedding == pytest.approx(other.embedding)
            assert sum(x * x for x in one.embedding) == pytest.approx(1, abs=1e-5)
        with pytest.raises(openai.BadRequestError, match="not tokens"):
            client.embeddings.create(model="loresmith-embed", input=[[1, 2]])
        with pytest.raises(openai.BadRequestError, match="32 numbers"):
            client.embeddings.create(model="loresmith-embed", input="x", dimensions=8)


def test_quotes_alone_where_there_is_no_model(serve: Serve) -> None:
    with client_of(serve.live().url) as client:
        assert [m.id for m in client.models.list()] == ["loresmith", "loresmith-rag", "loresmith-embed"]
        assert "25 Nm" in ask(client).choices[0].message.content
        with pytest.raises(openai.NotFoundError, match="needs a language model"):
            ask(client, model="loresmith-base")


@pytest.mark.parametrize(
    ("wanted", "error", "code"),
    [
        ({"model": "gpt-4"}, openai.NotFoundError, "model_not_found"),
        ({"messages": []}, openai.UnprocessableEntityError, "too_short"),
        ({"messages": [{"role": "system", "content": "x"}]}, openai.BadRequestError, "no_question"),
        ({"n": 99}, openai.UnprocessableEntityError, "less_than_equal"),
        ({"temperature": 9}, openai.UnprocessableEntityError, "less_than_equal"),
        ({"logprobs": True}, openai.BadRequestError, "unsupported_parameter"),
        ({"tools": [TOOL], "tool_choice": "required"}, openai.BadRequestError, "unsupported_parameter"),
        ({"tools": [TOOL], "tool_choice": {"type": "function"}}, openai.BadRequestError, None),
        ({"model": "loresmith-embed"}, openai.NotFoundError, "model_not_found"),
        ({"extra_body": {"k": 0}}, openai.UnprocessableEntityError, "greater_than_equal"),
    ],
)
def test_wrong_requests_are_refused_in_openais_shape(serve: Serve, wanted, error, code) -> None:  # type: ignore[no-untyped-def]
    with client_of(serve.live(FakeModel(ANSWER)).url) as client, pytest.raises(error) as refused:
        ask(client, **wanted)
    assert set(refused.value.body) == {"message", "type", "code", "param"}
    assert code is None or refused.value.code == code


def test_a_prompt_that_does_not_fit_is_the_askers_to_mend(serve: Serve) -> None:
    narrow = client_of(serve.live(FakeModel(ANSWER, context_tokens=300)).url)
    with narrow as client, pytest.raises(openai.BadRequestError) as refused:
        ask(client, "word " * 400, model="loresmith-base")
    assert refused.value.code == "prompt_too_long"


def test_keys(serve: Serve) -> None:
    anna = serve.key("anna", "reader", ["staff"])["Authorization"].split()[1]
    ben = serve.key("ben")["Authorization"].split()[1]
    url = serve.live(FakeModel({"salary": "It is 90,000 euros."}, default=ANSWER)).url
    with client_of(url, anna) as client:
        assert "90,000" in ask(client, SECRET_QUESTION).choices[0].message.content
    with client_of(url, ben) as client:
        refused = ask(client, SECRET_QUESTION).choices[0]
        assert refused.loresmith["abstained"]
        assert ask(client).choices[0].message.citations
        serve.revoke("ben")
        with pytest.raises(openai.AuthenticationError):
            ask(client)
        with pytest.raises(openai.AuthenticationError):
            ask(client, stream=True)


def test_marks_beside_each_other_are_told_apart() -> None:
    from loresmith.server.citing import Footnotes, without
    from loresmith.types import Citation, Locator, Sentence

    cited = [Citation(document="a.md", passage=p, locator=Locator(line=1), quote="x") for p in ("p", "q")]
    notes = Footnotes()
    shown = notes.sentence(Sentence(text="It is so.", citations=tuple(cited)))[0]
    assert shown == "It is so.[^1] [^2]"
    assert without(shown + notes.rest()) == "It is so."


def test_what_stands_in_a_document_does_nothing_in_markdown() -> None:
    from loresmith.server.citing import Footnotes
    from loresmith.types import Citation, Locator, Sentence

    text = "See ![x](http://evil/?q=1) and [here](http://evil) <img src=http://evil>."
    cited = Citation(document="a.md", passage="p", locator=Locator(line=1), quote=text)
    notes = Footnotes()
    shown = notes.sentence(Sentence(text=text, citations=(cited,)))[0] + notes.rest()
    for live in ("![", "](", "<img"):
        assert live not in shown.replace("\\" + live[0], "").replace("]\\(", "")


def test_a_table_s_result_is_shown_in_markdown_and_does_nothing() -> None:
    from loresmith.server.citing import table, without
    from loresmith.types import TableResult

    evil = "a|b ![x](http://evil/?q) <img src=x> `c`"
    result = TableResult(
        sql=f"SELECT name, hours FROM log WHERE name = '{evil}'",
        reading="",
        columns=("Name", "Hours"),
        units=("", "h"),
        rows=((evil, 1.5), ("B", None)),
    )
    shown = table(result)
    lines = shown.strip().split("\n")
    assert lines[0] == "| Name | Hours (h) |"
    assert lines[3] == "| B |  |"
    assert "\\|b" in lines[2]
    assert "![x](" not in lines[2]
    assert "<img" not in lines[2].replace("\\<img", "")
    assert lines[-1].startswith("`` SELECT name")  # the text's own backticks do not end it
    one = TableResult(sql="SELECT COUNT(*) FROM log", reading="", columns=("n",), units=("",), rows=((3,),))
    assert table(one) == "\n\n` SELECT COUNT(*) FROM log `"
    assert table(None) == ""
    assert without(f"Hours of Log: 3.[^1]{shown}\n\n[^1]: log.csv: “x”") == "Hours of Log: 3."
