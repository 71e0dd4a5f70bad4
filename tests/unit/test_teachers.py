"""Teachers behind an endpoint: against a server on loopback that fails on demand."""

import asyncio
import json
import os
import time
from collections import Counter
from pathlib import Path

import pytest

from scripts import answer_questions, critique_responses, gather_shards, refine_responses
from scripts.lib.cli import ROOT
from scripts.lib.jsonl import BadInput, read_json, read_rows, write_rows
from scripts.lib.study import runs
from scripts.lib.teachers import batch, endpoints, live
from scripts.lib.teachers.endpoints import Endpoint
from scripts.lib.teachers.faults import retry_after
from scripts.lib.teachers.requests import request_of
from scripts.lib.training import pools
from tests.fault_server import FaultServer
from tests.teacher_desk import KEY, LIMITS, TEACHER, Desk, graded

# --- live -------------------------------------------------------------------------------------------------------------


def test_summary_counts_tokens_cost_verdicts_and_agreement(desk: Desk) -> None:
    with FaultServer() as server:
        desk.run(server)
    summary = read_json(desk.folder / "shard-0.json")
    assert (summary["rows"], summary["right"], summary["wrong"], summary["errors"]) == (20, 20, 0, 0)
    assert (summary["with_gold"], summary["agreeing"]) == (20, 10)
    assert summary["completion_tokens"] == 20 * 20 and summary["prompt_tokens"] > 0
    expected = (summary["prompt_tokens"] * 2.5 + 400 * 10) / 1e6
    assert summary["cost_usd"] == pytest.approx(expected, abs=1e-6)


def test_changed_setting_and_back_asks_for_nothing(desk: Desk) -> None:
    with FaultServer() as server:
        first = desk.run(server)
        desk.run(server, teacher={"temperature": 0.7})
        assert sum(server.seen.values()) == 40
        assert desk.run(server) == first
        desk.run(server, budget=5.0, concurrency=1)
        assert sum(server.seen.values()) == 40


@pytest.mark.parametrize("change", [{"model": "m-2"}, {"top_p": 0.5}, {"max_tokens": 99}, {"temperature": None}])
def test_what_decides_an_answer_is_in_its_key(change: dict) -> None:
    messages = [{"role": "user", "content": "2 + 2?"}]
    key = request_of(TEACHER, messages).key
    assert request_of({**TEACHER, **change}, messages).key != key
    assert request_of(TEACHER, messages, sample=1).key != key
    assert request_of(TEACHER, [{"role": "user", "content": "2 + 3?"}]).key != key
    assert request_of({**TEACHER, "critique_prompt": "other.j2"}, messages).key == key


def test_rows_with_the_same_messages_are_asked_once(desk: Desk) -> None:
    rows = graded(6)
    desk.set_rows([{**row, "question": "1 + 1?", "response": "2"} for row in rows])
    with FaultServer() as server:
        assert len(desk.run(server)) == 6
    assert sum(server.seen.values()) == 1
    assert read_json(desk.folder / "shard-0.json")["answers_used"] == 1


def test_another_teachers_name_study_and_shards_find_the_same_answers(desk: Desk) -> None:
    with FaultServer() as server:
        desk.run(server, shard=(0, 2))
        desk.run(server, shard=(1, 2))
        assert sum(server.seen.values()) == 20
        for shard in range(3):
            desk.run(server, shard=(shard, 3), **{"teacher": {}})
        rows = desk.run(server)
        assert len(rows) == 20
        assert sum(server.seen.values()) == 20
        renamed = [word.replace('"teacher": "t"', '"teacher": "renamed"') for word in desk.arguments(server)]
        assert critique_responses.main(critique_responses.parse_args(renamed)) == 0
        assert sum(server.seen.values()) == 20


def test_shards_put_together_are_the_whole(desk: Desk) -> None:
    with FaultServer() as server:
        whole = desk.run(server)
        for shard in range(3):
            desk.run(server, shard=(shard, 3))
    files = [str(desk.folder / f"shard-{shard}.jsonl") for shard in range(3)]
    out = [str(desk.folder / "all.jsonl"), str(desk.folder / "all.json")]
    gather_shards.main(gather_shards.parse_args(["--shards", *files, "--rows", out[0], "--summary", out[1]]))
    assert read_rows(out[0]) == whole
    summary = read_json(out[1])
    assert (summary["rows"], summary["agreeing"], summary["agreement"], summary["answers_used"]) == (20, 10, 0.5, 20)


@pytest.mark.parametrize(
    "answer, reason",
    [
        (("Conclusion: right [END]", "length"), "cut off at max_tokens"),
        (("", "content_filter"), "the endpoint's content filter removed the response"),
        (("", "empty"), "the teacher's response has no choices"),
        (("  ", "stop"), "empty response"),
        (("It may be so.", "stop"), "the critique states no verdict that can be read"),
    ],
)
def test_unusable_answer_keeps_its_row_with_the_reason_and_is_not_paid_again(desk: Desk, answer, reason: str) -> None:
    with FaultServer(answer=lambda text: answer) as server:
        rows = desk.run(server, max_errors=1.0)
        desk.run(server, max_errors=1.0)
    assert [row["error"] for row in rows] == [reason] * 20
    assert not [row for row in rows if "verdict" in row]
    assert sum(server.seen.values()) == 20
    assert read_json(desk.folder / "shard-0.json")["error_reasons"] == {reason: 20}


def test_too_many_errors_stop_the_job_and_write_nothing(desk: Desk) -> None:
    with FaultServer(answer=lambda text: ("Hm.", "stop")) as server, pytest.raises(BadInput) as caught:
        desk.run(server, max_errors=0.5)
    assert "20 of 20 rows" in str(caught.value) and "max_errors = 0.5" in str(caught.value)
    assert not (desk.folder / "shard-0.jsonl").exists() and len(desk.journal()) == 20


def test_row_that_came_with_an_error_is_not_asked(desk: Desk) -> None:
    rows = graded(3)
    rows[1]["error"] = "empty response"
    desk.set_rows(rows)
    with FaultServer() as server:
        made = desk.run(server)
    assert sum(server.seen.values()) == 2
    assert made[1]["error"] == "empty response" and "not_asked" not in made[1]


@pytest.mark.parametrize(
    "status, code, advice",
    [
        (401, None, "REDPEN_TEST_KEY is not accepted"),
        (403, None, "may not use model m-1"),
        (404, None, "base_url"),
        (400, None, "must suit the endpoint"),
        (429, "insufficient_quota", "no credit left"),
    ],
)
def test_fault_that_lasts_stops_at_once_and_says_what_to_mend(desk: Desk, status, code, advice) -> None:
    with FaultServer(status=status, code=code) as server, pytest.raises(BadInput) as caught:
        desk.run(server, concurrency=4)
    assert advice in str(caught.value) and str(status) in str(caught.value)
    assert sum(server.seen.values()) <= 4
    assert KEY not in str(caught.value) and "<key>" in str(caught.value)


def test_fault_of_one_row_leaves_the_others(desk: Desk) -> None:
    with FaultServer(status=400, code="context_length_exceeded") as server:
        rows = desk.run(server, max_errors=1.0)
    assert {row["error"] for row in rows} == {"refused by the endpoint: context_length_exceeded"}


def test_answers_under_way_are_kept_when_another_row_stops_everything(desk: Desk) -> None:
    """One request is refused while the others wait for their answers, which are paid for."""

    class Server(FaultServer):
        async def _chat(self, body, headers, writer):
            if "What is 3 " in body["messages"][-1]["content"]:
                await asyncio.sleep(0.1)
                return await self._send(writer, 401, {"error": {"message": "no"}})
            return await super()._chat(body, headers, writer)

    with Server(latency=0.6) as server, pytest.raises(BadInput):
        desk.run(server)
    assert len(server.delivered) == 19 == len(desk.journal())


def test_endpoint_that_is_down_is_not_asked_for_every_row(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LONGEST_WAIT_S", 0.01)
    desk.set_rows(graded(200))
    with FaultServer(status=503) as server, pytest.raises(BadInput) as caught:
        desk.run(server, concurrency=2)
    assert "requests in a row got no answer" in str(caught.value)
    assert len(server.seen) < 20


def test_missing_key_is_told_before_any_request(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDPEN_TEST_KEY")
    with FaultServer() as server, pytest.raises(BadInput) as caught:
        desk.run(server)
    assert "REDPEN_TEST_KEY is not set" in str(caught.value) and not server.seen


def test_retry_after_is_waited_for_by_all(desk: Desk) -> None:
    """The first answer is a 429 with Retry-After: nobody starts a request before that time is over."""

    class Server(FaultServer):
        def _fault_of(self, content: str):
            return "429" if len(self.arrivals) == 1 else None

    with Server(retry_after="1") as server:
        desk.run(server, concurrency=1)
    times = [moment for moment, _ in server.arrivals]
    assert times[1] - times[0] >= 1.0 and len(times) == 21


def test_retry_after_in_all_its_forms() -> None:
    assert retry_after({"retry-after": "2"}) == 2
    assert retry_after({"retry-after-ms": "1500", "retry-after": "2"}) == 1.5
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    assert 25 < retry_after({"retry-after": date}) <= 30
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_retry_after_of_hours_stops_the_job(desk: Desk) -> None:
    with FaultServer(share=1.0, faults=("429",), retry_after="7200") as server, pytest.raises(BadInput) as caught:
        desk.run(server, concurrency=2)
    assert "asks to wait 7200 s" in str(caught.value)


@pytest.mark.parametrize("limit", [{"requests_per_minute": 600}, {"tokens_per_minute": 70_000}])
def test_rates_hold(desk: Desk, limit: dict) -> None:
    with FaultServer() as server:
        desk.run(server, **limit)
    seconds = server.arrivals[-1][0] - server.arrivals[0][0]
    tokens = sum(record["value"]["prompt_tokens"] + record["value"]["completion_tokens"] for record in desk.journal())
    least = 19 / 10 if "requests_per_minute" in limit else tokens * 19 / 20 / 70_000 * 60
    assert seconds >= 0.9 * least > 1.0


def test_request_that_hangs_is_made_again(desk: Desk) -> None:
    class Server(FaultServer):
        def _fault_of(self, content: str):
            return "hang" if self.seen[content] == 1 else None

    desk.set_rows(graded(3))
    with Server(hang_s=5) as server:
        rows = desk.run(server, timeout=0.5)
    assert [row["verdict"] for row in rows] == ["right"] * 3
    assert set(server.seen.values()) == {2}


# --- budget -----------------------------------------------------------------------------------------------------------


def test_estimate_above_the_budget_stops_before_the_first_request(desk: Desk) -> None:
    with FaultServer() as server, pytest.raises(BadInput) as caught:
        desk.run(server, budget=0.001)
    assert "teachers.t.budget" in str(caught.value) and not server.seen


def test_budget_counts_all_shards_and_what_was_spent_before(desk: Desk) -> None:
    with FaultServer() as server:
        desk.run(server)
        spent = read_json(desk.folder / "shard-0.json")["cost_usd"]
        desk.set_rows(graded(40))
        with pytest.raises(BadInput):  # the first shard alone would fit
            desk.run(server, shard=(0, 4), budget=spent * 1.5)
        assert sum(server.seen.values()) == 20
        desk.run(server, shard=(0, 4), budget=spent * 2.2)
        assert sum(server.seen.values()) == 25


def test_run_that_costs_more_than_estimated_stops_at_the_budget(desk: Desk) -> None:
    desk.set_rows(graded(200))
    with FaultServer() as server, pytest.raises(BadInput) as caught:
        desk.run(server, expected_tokens=1, concurrency=4, budget=0.06)
    assert "Raise teachers.t.budget" in str(caught.value)
    cost = sum(
        (record["value"]["prompt_tokens"] * 2.5 + record["value"]["completion_tokens"] * 10) / 1e6
        for record in desk.journal()
    )
    assert 0.05 < cost <= 0.061 and len(desk.journal()) == len(server.delivered)


# --- nothing lost, nothing paid twice ---------------------------------------------------------------------------------


def test_torn_line_is_asked_again_and_the_rest_kept(desk: Desk) -> None:
    with FaultServer() as server:
        first = desk.run(server)
        file = desk.folder / "state" / "teachers" / "t" / "answers.jsonl"
        file.write_bytes(file.read_bytes()[:-20])
        assert desk.run(server) == first
        assert sum(server.seen.values()) == 21


# --- answers ----------------------------------------------------------------------------------------------------------


def test_answers_have_a_row_for_each_question_and_sample(desk: Desk) -> None:
    write_rows(
        desk.folder / "d.jsonl", [{"id": f"q{n}", "question": f"{n} + 1?", "answer": str(n + 1)} for n in (1, 2)]
    )
    teacher = {**TEACHER, "answer_prompt": str(ROOT / "prompts" / "teacher-answer.j2")}
    with FaultServer(keep_bodies=True, answer=lambda text: (f"Answer: {text}", "stop")) as server:
        arguments = {
            "--settings": json.dumps({"rows": None, "samples": 2, "teacher": teacher}),
            "--limits": json.dumps({**LIMITS, "base_url": server.url}),
            "--dataset": desk.folder / "d.jsonl",
            "--state": desk.folder / "state" / "teachers",
            "--answers": desk.folder / "a.jsonl",
            "--summary": desk.folder / "a.json",
        }
        words = [str(word) for pair in arguments.items() for word in pair]
        answer_questions.main(answer_questions.parse_args(words))
        answer_questions.main(answer_questions.parse_args(words))
    rows = read_rows(desk.folder / "a.jsonl")
    assert [row["id"] for row in rows] == ["q1#0", "q1#1", "q2#0", "q2#1"]
    assert rows[0]["response"] == "Answer: 1 + 1?" and rows[0]["answer"] == "2" and rows[0]["finished"]
    assert len(server.bodies) == 4
    assert {key: server.bodies[0][key] for key in ("model", "temperature", "top_p", "max_tokens")} == {
        "model": "m-1", "temperature": 0.3, "top_p": 0.95, "max_tokens": 100,
    }  # fmt: skip
    assert [message["role"] for message in server.bodies[0]["messages"]] == ["system", "user"]


# --- refined answers --------------------------------------------------------------------------------------------------

REFINER = {**TEACHER, "refine_prompt": str(ROOT / "prompts" / "teacher-refine.j2")}


def refined(desk: Desk, server: FaultServer, shard: tuple[int, int] = (0, 1), **limits) -> list[dict]:
    """The rows that refine_responses writes of critiques.jsonl."""
    arguments = {
        "--settings": json.dumps({"rows": 4, "teacher": REFINER}),
        "--limits": json.dumps({**LIMITS, "base_url": server.url, **limits}),
        "--critiques": desk.folder / "critiques.jsonl",
        "--shard": shard[0],
        "--shards": shard[1],
        "--state": desk.folder / "state" / "teachers",
        "--refinements": desk.folder / f"r{shard[0]}.jsonl",
        "--summary": desk.folder / f"r{shard[0]}.json",
    }
    words = [str(word) for pair in arguments.items() for word in pair]
    assert refine_responses.main(refine_responses.parse_args(words)) == 0
    return read_rows(desk.folder / f"r{shard[0]}.jsonl")


@pytest.fixture
def criticised(desk: Desk) -> list[dict]:
    """Critiques, the second of which cannot be used."""
    rows = [{**row, "critique": f"Critique {row['id']}", "verdict": "wrong", "tokens": 3} for row in graded(5)]
    rows[1]["error"] = "the critique states no verdict that can be read"
    write_rows(desk.folder / "critiques.jsonl", rows)
    return rows


def test_refined_answers_stand_beside_response_and_critique(desk: Desk, criticised: list[dict]) -> None:
    with FaultServer(keep_bodies=True, answer=lambda text: ("Better.", "stop")) as server:
        rows = refined(desk, server)
        refined(desk, server)
    assert len(server.bodies) == 3  # four rows are requested, one of them has no critique
    (said,) = (message["content"] for message in server.bodies[0]["messages"] if message["role"] == "user")
    assert said == "Question:\nWhat is 0 + 1?\n\nSolution:\nIt is 1.\n\nCritique:\nCritique q-00000#0"
    made = {"refined": "Better.", "refined_tokens": 20}
    assert rows == [row if "error" in row else {**row, **made} for row in criticised[:4]]
    summary = read_json(desk.folder / "r0.json")
    assert (summary["rows"], summary["errors"], summary["not_asked"], summary["answers_used"]) == (4, 1, 1, 3)
    assert summary["cost_usd"] > 0 and REFINER["refine_prompt"] in summary["prompt_sha256"]


def test_refined_answer_that_is_cut_off_is_an_error_of_its_row(desk: Desk, criticised: list[dict]) -> None:
    with FaultServer(answer=lambda text: ("Bett", "length")) as server:
        rows = refined(desk, server, max_errors=1.0)
        assert [row.get("error") for row in rows] == ["cut off at max_tokens", criticised[1]["error"]] + [
            "cut off at max_tokens"
        ] * 2
        with pytest.raises(BadInput, match="3 of 3 rows have no usable answer"):
            refined(desk, server, max_errors=0.9)


def test_shards_of_refined_answers_are_put_together(desk: Desk, criticised: list[dict]) -> None:
    with FaultServer(answer=lambda text: ("Better.", "stop")) as server:
        whole = refined(desk, server)
        for shard in range(2):
            refined(desk, server, shard=(shard, 2))
    files = [str(desk.folder / f"r{shard}.jsonl") for shard in range(2)]
    out = [str(desk.folder / "all.jsonl"), str(desk.folder / "all.json")]
    assert (
        gather_shards.main(gather_shards.parse_args(["--shards", *files, "--rows", out[0], "--summary", out[1]])) == 0
    )
    assert read_rows(out[0]) == whole and read_json(out[1])["answers_used"] == 3


def test_answers_are_what_an_sft_run_trains_on(small) -> None:
    changes = """
    teachers: {api: {kind: openai, model: m, critique_prompt: ask.j2, answer_prompt: ask.j2}}
    answers: {sums-api: {dataset: sums, teacher: api}}
    runs: {new: {method: sft, start: base, recipe: short, prompt: ask.j2, data: {answers: sums-api}}}
    """
    study = small.resolve(changes)
    part = runs.parts(study["runs"]["new"])[0]
    assert runs.sources(part) == [(("answers",), "answers", "sums-api")]
    assert runs.dataset_behind(study, "answers", "sums-api") == "sums"
    assert pools.TEXT["answers"] == "response"


# --- a model of the study ---------------------------------------------------------------------------------------------


def test_critiques_of_a_model_are_the_same_in_shards(desk: Desk, model_folder: Path) -> None:
    rows = graded(7)
    rows[2]["error"] = "empty response"
    desk.set_rows(rows)
    prompt = desk.folder / "ask.j2"
    prompt.write_text("{% block user %}{{ question }} {{ response }}{% endblock %}")
    sampling = {"temperature": 0.3, "top_p": 0.95, "max_tokens": 8, "template": None, "seed": 0}
    teacher = {"kind": "transformers", "critique_prompt": str(prompt), **sampling}
    engine = {"kind": "transformers", "dtype": "float32", "chunk_rows": 2}

    def run(name: str, shard: int, shards: int) -> list[dict]:
        named = {
            "--settings": json.dumps({"rows": None, "teacher": teacher, "engine": engine}),
            "--graded": desk.folder / "graded.jsonl",
            "--model": model_folder,
            "--shard": shard,
            "--shards": shards,
            "--state": desk.folder / "model",
            "--critiques": desk.folder / f"{name}.jsonl",
            "--summary": desk.folder / f"{name}.json",
        }
        words = [str(word) for pair in named.items() for word in pair]
        critique_responses.main(critique_responses.parse_args(words))
        return read_rows(desk.folder / f"{name}.jsonl")

    whole = run("whole", 0, 1)
    parts = [row for shard in range(2) for row in run(f"part-{shard}", shard, 2)]
    assert sorted(parts, key=lambda row: row["id"]) == whole and len(whole) == 7
    assert whole[2]["error"] == "empty response"
    assert all(row["error"] for row in whole), "a random model states no verdict"


# --- batch ------------------------------------------------------------------------------------------------------------


def test_batch_answers_every_row_at_half_the_price(desk: Desk) -> None:
    with FaultServer(batch_polls=3) as server:
        one_by_one = Desk(desk.folder / "live")
        one_by_one.run(server)
        rows = desk.run(server, mode="batch")
        assert desk.run(server, mode="batch") == rows
        assert len(server.batches) == 1
    assert [row["verdict"] for row in rows] == ["right"] * 20
    costs = [read_json(folder / "shard-0.json")["cost_usd"] for folder in (desk.folder, one_by_one.folder)]
    assert costs[0] == pytest.approx(costs[1] / 2, abs=2e-6)
    assert not list((desk.folder / "state").rglob("batches/0*.jsonl")), "sent files are removed"


def test_batches_are_split_at_the_endpoints_limits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MOST_REQUESTS", 8)
    with FaultServer() as server:
        desk.run(server, mode="batch")
        sent = [server.files[sent_batch["input_file_id"]].splitlines() for sent_batch in server.batches.values()]
        assert [len(lines) for lines in sent] == [8, 8, 4]
        size = max(len(line) for lines in sent for line in lines) + 1
        monkeypatch.setattr(batch, "MOST_BYTES", 3 * size + 1)
        desk.run(server, mode="batch", teacher={"temperature": 0.9})
        more = [server.files[sent_batch["input_file_id"]] for sent_batch in list(server.batches.values())[3:]]
    assert max(map(len, more)) <= 3 * size + 1 and sum(len(file.splitlines()) for file in more) == 20
    ids = [json.loads(line)["custom_id"] for lines in sent for line in lines]
    assert ids == [record["key"] for record in desk.journal()[:20]]


def test_only_the_missing_rows_of_an_expired_batch_are_sent_again(desk: Desk) -> None:
    def outcome(number: int, requests: list[dict]) -> tuple[str, set[str]]:
        return ("expired", {request["custom_id"] for request in requests[:7]}) if number == 0 else ("completed", set())

    with FaultServer(batch_outcome=outcome) as server:
        rows = desk.run(server, mode="batch")
        sizes = [len(server.files[batch["input_file_id"]].splitlines()) for batch in server.batches.values()]
    assert sizes == [20, 7] and [row["verdict"] for row in rows] == ["right"] * 20
    assert set(server.delivered.values()) == {1}


def test_rows_that_no_batch_answers_end_with_an_error(desk: Desk) -> None:
    with FaultServer(batch_outcome=lambda number, requests: ("expired", {requests[0]["custom_id"]})) as server:
        rows = desk.run(server, mode="batch", max_errors=0.1)
    assert [row.get("error") for row in rows][:2] == ["no answer in 3 batches", None] and len(server.batches) == 3


def test_failed_batch_says_why_and_is_sent_anew_by_the_next_run(desk: Desk) -> None:
    with FaultServer(batch_outcome=lambda n, requests: ("completed" if n else "failed", set())) as server:
        with pytest.raises(BadInput) as caught:
            desk.run(server, mode="batch")
        assert "failed: the file is not valid" in str(caught.value)
        assert len(desk.run(server, mode="batch")) == 20 and len(server.batches) == 2


def test_batch_of_the_first_shard_serves_all(desk: Desk) -> None:
    with FaultServer() as server:
        assert [len(desk.run(server, mode="batch", shard=(shard, 4))) for shard in range(4)] == [5] * 4
        assert len(server.batches) == 1


def test_refused_batch_does_not_show_the_key(desk: Desk) -> None:
    with FaultServer(status=401) as server, pytest.raises(BadInput) as caught:
        desk.run(server, mode="batch")
    assert "401" in str(caught.value) and KEY not in str(caught.value)


def test_server_meets_the_share_of_faults_that_it_is_told() -> None:
    server = FaultServer(share=0.2)
    drawn = Counter()
    for number in range(5000):
        server.seen[f"{number}"] = 1
        drawn[server._fault_of(f"{number}")] += 1
    assert 0.17 < 1 - drawn[None] / 5000 < 0.23 and len(drawn) == len(server.faults) + 1


def test_environment_names_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDPEN_TEST_KEY", KEY)
    monkeypatch.setenv("REDPEN_TEST_URL", "http://here/v1")
    limits = {**LIMITS, "base_url": "http://there/v1", "base_url_env": "REDPEN_TEST_URL"}
    assert endpoints.endpoint_of("t", limits) == Endpoint("http://here/v1", {}, KEY)
    monkeypatch.delenv("REDPEN_TEST_URL")
    assert endpoints.endpoint_of("t", limits).url == "http://there/v1"
    assert endpoints.endpoint_of("t", {**LIMITS, "api_key_env": None}) == Endpoint(endpoints.OPENAI, {}, None)
    assert os.environ["REDPEN_TEST_KEY"] == KEY
