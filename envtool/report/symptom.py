"""What a pasted text speaks of, and what this machine shows of it: on the screen, and in the doctor document."""

from __future__ import annotations

from enum import Enum

from envtool.diagnosis import Diagnosis, NextStep
from envtool.fact import Fact, dataclass
from envtool.report.failures import command_of, failure_to_json, page_of, title_of
from envtool.report.json import doctor_to_json
from envtool.report.text import WIDEST, Style, copy_this, hanging
from envtool.symptoms import WHO, Candidate
from envtool.verdicts import Json, Status, Verdict


class Outcome(Enum):
    """What the check of a candidate shows here. Only a check that passed says that it is not so."""

    CONFIRMED = "confirmed"
    NOT_HERE = "not-here"
    UNSEEN = "unseen"


WORDS = {
    Outcome.CONFIRMED: ("confirmed here", "1;31"),
    Outcome.NOT_HERE: ("not here", "32"),
    Outcome.UNSEEN: ("can't be seen", "35"),
}
ELSEWHERE = (
    "This machine shows none of it. If the text comes from another machine or environment, run `envtool doctor` there, "
    "or name its Python with --python PATH."
)


@dataclass(frozen=True, eq=False, repr=False)
class Judged(Fact):
    """A candidate, and the verdict of its check (None where no check looks for it)."""

    candidate: Candidate
    verdict: Verdict | None

    @property
    def code(self) -> str:
        """The failure's."""
        return self.candidate.failure.code

    @property
    def outcome(self) -> Outcome:
        """Seen here, seen not to be here, or neither."""
        if self.verdict is None:
            return Outcome.UNSEEN
        if self.verdict.status in (Status.FAIL, Status.WARN):
            return Outcome.CONFIRMED
        return Outcome.NOT_HERE if self.verdict.status is Status.PASS else Outcome.UNSEEN

    @property
    def proven(self) -> bool:
        """Is it so here, whatever the text says? A check that only serves it as well is no proof, nor is a warning."""
        failed = self.verdict is not None and self.verdict.status is Status.FAIL
        return failed and self.candidate.failure.check == self.code


@dataclass(frozen=True, eq=False, repr=False)
class Answer(Fact):
    """The candidates to show, best first, and the diagnosis: of their checks alone, or of all where there is none."""

    judged: tuple[Judged, ...]
    diagnosis: Diagnosis
    total: int
    looked_at: int

    @property
    def status(self) -> Status:
        """The worst verdict; what could not be seen is no pass."""
        worst = self.diagnosis.status
        unseen = any(one.outcome is Outcome.UNSEEN for one in self.judged)
        return Status.WARN if worst is Status.PASS and unseen else worst

    @property
    def next_step(self) -> NextStep | None:
        """The one thing to do: what a check that failed says, else what the likeliest cause asks for."""
        if not self.judged:
            return self.diagnosis.next_step
        confirmed = next((one for one in self.judged if one.outcome is Outcome.CONFIRMED), None)
        verdict = confirmed.verdict if confirmed else None
        if verdict is None:  # what must be mended before anything else can be seen
            verdict = next((v for v in self.diagnosis.verdicts if v.status is Status.FAIL), None)
        if verdict is not None and verdict.hint:
            return NextStep(verdict.hint, verdict.command, verdict.code)
        first = next((one for one in self.judged if one.outcome is Outcome.UNSEEN), None)
        if first is None:
            return NextStep(ELSEWHERE, False, self.judged[0].code)
        command = command_of(first.code)
        return NextStep(command or page_of(first.code).mend, command is not None, first.code)


def render(answer: Answer, style: Style) -> str:
    """The whole screen, ending in the one next step."""
    width = min(max(style.width, 40), WIDEST)
    blocks = [hanging("", _head(answer), width)]
    blocks += [_candidate(number, one, style, width) for number, one in enumerate(answer.judged, 1)]
    blocks.append(_next_step(answer, style, width))
    return style.safe("\n\n".join(block for block in blocks if block) + "\n")


def _head(answer: Answer) -> str:
    count = len(answer.judged)
    head = "This text has one known cause:" if count == 1 else f"This text has {count} known causes, likeliest first:"
    if answer.looked_at < answer.total:
        head = f"Of {answer.total} characters the beginning, the end and lines about trouble were read. {head}"
    return head


def _candidate(number: int, one: Judged, style: Style, width: int) -> str:
    word, colour = WORDS[one.outcome]
    space = max(width - 3 - len(one.code) - len(word), 2)
    lines = [f"{number}  {style.paint(one.code, '1')}{' ' * space}{style.paint(word, colour)}"]
    cause = page_of(one.code).cause
    if number > 1:
        cause = cause.partition(". ")[0].rstrip(".") + "."
    lines.append(hanging("   ", cause, width))
    lines.append(hanging("   Said by:   ", f"“{shortened(one.candidate.matched[0])}”", width))
    if one.verdict is not None:
        lines.append(hanging("   Seen here: ", _seen(one, one.verdict), width))
    if one.outcome is not Outcome.CONFIRMED:
        lines.append(hanging("   Proof:     ", one.candidate.failure.confirm + ".", width))
    return "\n".join(lines)


def _seen(one: Judged, verdict: Verdict) -> str:
    via = "" if verdict.code == one.code else f" ({verdict.code})"
    end = "" if verdict.message.endswith((".)", "!", "?")) and not via else "."
    return verdict.message.rstrip(".") + via + end


def shortened(text: str, longest: int = 140) -> str:
    """The beginning and the end of a long stretch."""
    text = "".join(sign if sign.isprintable() else "?" for sign in text)
    return text if len(text) <= longest else f"{text[: longest // 2]} … {text[-longest // 2 + 3 :]}"


def _next_step(answer: Answer, style: Style, width: int) -> str:
    step = answer.next_step
    if step is None:
        return ""
    one = next((one for one in answer.judged if one.code == step.code), None)
    if one is None and answer.judged and answer.judged[0].verdict is not None:
        one = next((o for o in answer.judged if o.verdict is not None and o.verdict.code == step.code), None)
    code = one.code if one else step.code
    who = f"for {WHO[one.candidate.failure.who]}; " if one and one.candidate.failure.who != "nobody" else ""
    why = f"({who}more: {style.program} explain {code})"
    avoid = one.candidate.failure.avoid if one and one.outcome is not Outcome.NOT_HERE else None
    lead = hanging("", avoid, width) + "\n\n" if avoid else ""
    if step.command:  # never wrapped: it is there to be copied
        return lead + hanging("", f"Fix {why}; {copy_this(answer.diagnosis.machine)}:", width) + f"\n\n{step.text}"
    return lead + hanging("", f"Next {why}:", width) + "\n\n" + hanging("", step.text, width)


def to_json(answer: Answer) -> dict[str, Json]:
    """The doctor document, with what the text speaks of under ``symptom``."""
    step = answer.next_step
    return doctor_to_json(answer.diagnosis) | {
        "status": answer.status.value,
        "next_step": step.text if step else None,
        "next_step_code": step.code if step else None,
        "symptom": {
            "characters": answer.total,
            "looked_at": answer.looked_at,
            "candidates": [_candidate_to_json(one) for one in answer.judged],
        },
    }


def _candidate_to_json(one: Judged) -> dict[str, Json]:
    failure, page = one.candidate.failure, page_of(one.code)
    return {
        "code": one.code,
        "title": title_of(one.code),
        "score": one.candidate.score,
        "matched": list(one.candidate.matched),
        "outcome": one.outcome.value,
        "message": one.verdict.message if one.verdict else None,
        "cause": page.cause,
        "mend": page.mend,
        **failure_to_json(failure),
    }
