"""A nurse's answer to a question. One transaction: what is filed by it, the rules on that, the audit."""

from fastapi import APIRouter, HTTPException

from server.access.door import Carer
from server.api import Answered
from server.held import store
from server.held.api import Answer, Question
from server.held.views import views
from server.house import Here, problems

router = APIRouter(prefix="/api/questions/{question_id}", tags=["questions"])


@router.post(
    "/answer", operation_id="answerQuestion",
    responses={**problems(401, 403, 404, 422), 409: {"model": Answered}},
)  # fmt: skip
def answer_question(question_id: str, said: Answer, account: Carer, here: Here) -> Question:
    """Say whose readings these are. `hers` files them, and the rules look at them before this returns."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        question = store.get(tx, int(question_id)) if question_id.isdecimal() and len(question_id) < 19 else None
        if question is None:
            raise HTTPException(404, f"there is no question {question_id!r}; go back to the worklist")
        filed = store.answer(
            tx, question, said.version, said.said, who=account.id, name=account.name, by="staff", now_ns=now_ns
        )
        changed = here.look(tx, {question.patient_id: filed}, now_ns) if filed else set()
        (view,) = views(tx, [question for question in [store.get(tx, question.id)] if question])
    for patient_id in changed | {question.patient_id}:
        here.hub.patient_changed(patient_id)
    return view
