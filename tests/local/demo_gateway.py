"""The gateway in memory with the routes of field work: enough of their states for a demo that is run again."""

from __future__ import annotations

from typing import Any

import httpx
from pydantic import ValidationError

from tests.local.import_gateway import BODIES, Gateway, problem
from visits.absence import api as absences
from visits.batch import api as batches
from visits.daily_report import api as reports
from visits.market_report import api as market
from visits.meeting import api as meetings
from visits.plan import api as plans
from visits.policy import api as policies
from visits.task import api as tasks
from visits.visit import api as visits

FIELD: dict[str, dict[str, Any]] = {
    "visit-policies": {"creation": policies.PolicyChange},
    "absences": {
        "creation": absences.NewAbsence,
        "approval": absences.Approval,
        "refusal": absences.Reasoned,
        "cancellation": absences.Entry,
        "return": absences.Entry,
    },
    "visit-plans": {
        "creation": plans.NewPlan,
        "change": plans.PlanChange,
        "submission": plans.Entry,
        "signature": plans.Instructed,
        "return": plans.Reasoned,
        "amendment": plans.Reasoned,
    },
    "visits": {"batch": batches.Batch, "evaluation": visits.Grade},
    "daily-reports": {
        "creation": reports.NewReport,
        "edit": reports.ReportChange,
        "submission": reports.Entry,
        "signature": reports.Signing,
        "return": reports.Reasoned,
        "correction": reports.Reasoned,
    },
    "meetings": {
        "creation": meetings.NewMeeting,
        "holding": meetings.Holding,
        "closure": meetings.Closure,
        "cancellation": meetings.Cancellation,
    },
    "market-reports": {
        "creation": market.NewMarketReport,
        "acknowledgement": market.Entry,
        "action": market.NewAction,
        "closure": market.Closure,
    },
    "tasks": {"creation": tasks.NewTask, "completion": tasks.Completion},
}
"""What the visits service takes: by kind and step."""
STATUS = {
    "approval": "approved", "refusal": "refused", "cancellation": "cancelled", "submission": "submitted",
    "signature": "signed", "amendment": "draft", "correction": "correcting", "holding": "held",
    "acknowledgement": "acknowledged", "action": "action_assigned", "completion": "done",
}  # fmt: skip


def body_of(kind: str, name: str) -> Any:
    """The model that takes that request."""
    return FIELD[kind][name] if kind in FIELD else BODIES[kind if name == "creation" else name]


class FieldGateway(Gateway):
    """refuse: says what becomes of a command of a batch: a code, or None where it is done."""

    def __init__(self) -> None:
        super().__init__()
        self.commands: dict[str, dict[str, Any]] = {}
        self.policies: dict[str, dict[str, Any]] = {}
        self.refuse: Any = lambda command: None

    def _do(self, request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        kind, *rest = request.url.path.removeprefix("/api/v1/").split("/")
        if kind == "visit-policies":
            return self._policy(request, rest[0], body)
        if kind == "visits":
            return self._batch(body) if rest == ["batch"] else httpx.Response(200, json={"id": rest[0], "version": 2})
        if kind in FIELD and request.method != "GET":
            name = rest[1] if len(rest) == 2 else "creation"
            name = (
                next(each for each in ("change", "edit") if each in FIELD[kind]) if request.method == "PATCH" else name
            )
            try:
                FIELD[kind][name].model_validate(body)
            except ValidationError as error:
                return problem(422, "invalid_input", str(error))
            if name != "creation":
                return self._step(request, kind, rest[0], name, body)
        answer = super()._do(request, body)
        if kind in FIELD and request.method == "POST" and answer.is_success:
            record = self.records[body["id"]]
            defaults = {"absences": "applied", "meetings": "planned", "tasks": "open", "market-reports": "submitted"}
            for name, value in {"revisions": [], "actions": [], "returns": 0, "revision": 1}.items():
                record.setdefault(name, value)
            record.setdefault("status", defaults.get(kind, "draft"))
            return httpx.Response(201, json=record)
        return answer

    def _policy(self, request: httpx.Request, office: str, body: dict[str, Any]) -> httpx.Response:
        policy = self.policies.setdefault(office, {"id": office, "version": 0, "forms_from": None})
        if request.method == "PATCH" and policy.get("(key)") != request.headers["Idempotency-Key"]:
            if request.headers["If-Match"] != f'"{policy["version"]}"':
                return problem(412, "stale")
            policies.PolicyChange.model_validate(body)
            policy.update(body, version=policy["version"] + 1)
            policy["(key)"] = request.headers["Idempotency-Key"]
        return httpx.Response(200, json=policy)

    def _batch(self, body: dict[str, Any]) -> httpx.Response:
        results = []
        for command in batches.Batch.model_validate(body).model_dump()["commands"]:
            said = {"id": command["id"], "command": command["command"]}
            if (code := self.refuse(command)) is not None:
                wrong = {"code": code, "detail": f"It says {code}."}
                results.append({**said, "verdict": "refused", "problem": wrong})
                continue
            taken = {name: value for name, value in command["body"].items() if name != "occurred_at"}
            batches.KINDS[command["command"]].body.model_validate(taken)
            verdict = "already_done" if command["id"] in self.commands else "done"
            self.commands[command["id"]] = command
            results.append({**said, "verdict": verdict, "record": command["visit"] or command["id"], "version": 1})
        return httpx.Response(200, json={"results": results})

    def _step(self, request: httpx.Request, kind: str, id: str, name: str, body: dict[str, Any]) -> httpx.Response:
        record, key = self.records[id], request.headers["Idempotency-Key"]
        if key in record.setdefault("(handled)", []):
            return httpx.Response(200, json=record)
        if request.method == "PATCH" and request.headers["If-Match"] != f'"{record["version"]}"':
            return problem(412, "stale")
        if name in ("edit", "change") and record["status"] in ("submitted", "signed"):
            return problem(409, "wrong_state")
        if name == "submission":
            record["submission"] = {"at": body["occurred_at"]}
        elif name == "signature":
            record["revisions"] = [*record["revisions"], {"submission": record["submission"]}]
        elif name in ("amendment", "correction"):
            record["revision"] += 1
        elif name == "action":
            record["actions"] = [*record["actions"], body]
        elif name == "return" and kind == "absences":
            record["returned_on"] = body["occurred_at"][:10]
        elif name == "return":
            record["returns"] += 1
            record["status"] = "returned"
        record["status"] = "closed" if name == "closure" else STATUS.get(name, record["status"])
        record["(handled)"].append(key)
        record["version"] += 1
        return httpx.Response(200, json=record)
