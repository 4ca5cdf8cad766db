"""Promotions that wait: proposed, planned again when they are approved, rejected, withdrawn."""

import threading

import pytest

from pydantic_hivemind import Actor, AsyncScope, acting
from pydantic_hivemind.errors import (
    InvalidOption,
    OperationConflict,
    PromotionConflict,
    ProposalConflict,
    ProposalNotFound,
    VersionNotFound,
)
from pydantic_hivemind.limits import MAX_NOTE_CHARS, MAX_WAITING_PROPOSALS


@pytest.fixture
def project(hive):
    scope = hive.scope("project")
    scope.write_text("/a", "1\n2\n3\n")
    return scope


@pytest.fixture
def run(project):
    return project.spawn("run")


def test_a_proposal_waits_and_is_carried_out(project, run):
    run.write_text("/new", "x")
    run.write_text("/uploads/u", "u")
    with acting(agent="coder"):
        proposal = run.propose(note="learned this")
    assert not project.exists("/new")
    assert (proposal.state, proposal.report.applied, proposal.report.left_behind) == (
        "waiting",
        ("/new",),
        ("/uploads/u",),
    )
    (waiting,) = project.proposals()
    details = waiting.details
    assert (waiting.id, details.source, details.target, waiting.note) == (proposal.id, "run", "project", "learned this")
    assert details.actor == Actor(agent="coder")
    assert [change.path for change in waiting.diff()] == ["/new"]
    with acting(user="ada"):
        report = waiting.approve("good")
    assert (report.id, report.applied, project.read_text("/new")) == (proposal.id, ("/new",), "x")
    assert project.proposals() == []
    info = proposal.info()
    assert (info.state, info.decided_by, info.decision_note) == ("made", Actor(user="ada"), "good")
    assert project.history("/new")[0].promotion == proposal.id
    assert project.history("/new")[0].source == "run"
    project.revert(proposal.id)
    assert proposal.info().state == "reverted"


def test_it_is_planned_again_when_it_is_approved(project, run):
    """What the receiving scope has become meanwhile is merged."""
    run.edit("/a", "1", "one")
    proposal = run.propose()
    project.edit("/a", "3", "three")
    assert proposal.approve().merged == ("/a",)
    assert project.read_text("/a") == "one\n2\nthree\n"


def test_nobody_changes_what_was_offered(project, run):
    """Whoever approves a proposal gets what they have looked at."""
    run.write_text("/f", "harmless")
    proposal = run.propose(paths="/f")
    run.write_text("/other", "not part of it")
    run.write_text("/f", "poison")
    with pytest.raises(ProposalConflict):
        proposal.approve()
    assert not project.exists("/f")
    assert proposal.info().state == "waiting"
    assert run.propose(paths="/f").approve().applied == ("/f",)


def test_a_conflict_is_settled_by_who_approves(project, run):
    run.write_text("/a", "theirs")
    project.write_text("/a", "ours")
    proposal = run.propose()
    assert [conflict.path for conflict in proposal.report.conflicts] == ["/a"]
    with pytest.raises(PromotionConflict):
        proposal.approve()
    assert proposal.info().state == "waiting"
    proposal.approve(on_conflict="take_source")
    assert project.read_text("/a") == "theirs"


@pytest.mark.parametrize("decide", ["approve", "reject", "withdraw"])
def test_it_is_decided_once(project, run, decide):
    run.write_text("/f", "x")
    proposal = run.propose()
    getattr(project.proposal(proposal.id), decide)("because")
    assert proposal.info().decision_note == "because"
    for again in ("approve", "reject", "withdraw"):
        with pytest.raises(ProposalConflict):
            getattr(proposal, again)()
    assert project.proposals() == []
    assert [each.id for each in project.proposals(decided=True)] == [proposal.id]
    assert [each.id for each in run.proposals(sent=True, decided=True)] == [proposal.id]
    assert project.exists("/f") == (decide == "approve")


def test_two_approvals_at_once(project, run):
    run.write_text("/f", "x")
    proposal = run.propose()
    outcomes = []

    def approve():
        try:
            outcomes.append(project.proposal(proposal.id).approve().applied)
        except ProposalConflict:
            outcomes.append("late")

    threads = [threading.Thread(target=approve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == ["('/f',)", "late", "late", "late"]


def test_an_approval_that_changes_nothing_is_one(project, run):
    proposal = run.propose()
    assert proposal.approve().applied == ()
    assert proposal.info().state == "made"


def test_a_proposal_of_a_session_that_is_gone_is_void(project, run):
    run.write_text("/f", "x")
    proposal = run.propose()
    run.destroy()
    assert project.proposals() == []
    assert project.proposals(decided=True)[0].state == "void"
    with pytest.raises(ProposalConflict, match="gone"):
        proposal.approve()
    proposal.reject()


def test_only_both_sides_know_it(hive, project, run):
    proposal = run.propose()
    other = hive.scope("other", parent=project)
    for scope in (other, hive.scope("stranger")):
        with pytest.raises(ProposalNotFound):
            scope.proposal(proposal.id)
        assert scope.proposals() == scope.proposals(sent=True) == []
    with pytest.raises(ProposalNotFound):
        project.proposal("none")


def test_retries(project, run):
    run.write_text("/f", "x")
    proposal = run.propose(note="n", operation_id="p")
    assert run.propose(note="n", operation_id="p").id == proposal.id
    with pytest.raises(OperationConflict):
        run.propose(note="other", operation_id="p")
    report = proposal.approve("ok", operation_id="a")
    assert project.proposal(proposal.id).approve("ok", operation_id="a") == report


def test_what_is_kept_is_bounded(run):
    with pytest.raises(InvalidOption):
        run.propose(note="x" * (MAX_NOTE_CHARS + 1))
    with pytest.raises(InvalidOption):
        run.propose().reject("a\0")
    run.proposals(sent=True)[0].withdraw()
    for _ in range(MAX_WAITING_PROPOSALS):
        run.propose()
    with pytest.raises(ProposalConflict):
        run.propose()
    run.proposals(sent=True)[0].withdraw()
    run.propose()


def test_the_selection_is_kept(project, run):
    run.write_text("/f", "x", tags=["keep"])
    run.write_text("/g", "x")
    run.write_text("/uploads/u", "u")
    details = run.propose(tags="keep", also="/uploads").details
    assert (details.tags, details.paths, details.also, details.on_conflict) == (("keep",), None, ("/uploads",), "fail")
    assert project.proposals()[0].approve().applied == ("/f", "/uploads/u")


def test_past_the_parent(hive, project):
    user = hive.scope("user", parent=project)
    run = user.spawn()
    run.write_text("/f", "x")
    run.propose(to=project).approve()
    assert project.exists("/f")
    assert user.history("/f")[0].scope == "project"


@pytest.mark.anyio
async def test_awaited(project, run):
    scope = AsyncScope(run)
    await scope.write_text("/f", "x")
    proposal = await scope.propose(note="n")
    (waiting,) = await AsyncScope(project).proposals()
    assert (waiting.id, waiting.note, waiting.state) == (proposal.id, "n", "waiting")
    assert [change.path for change in await waiting.diff()] == ["/f"]
    await (await AsyncScope(project).proposal(proposal.id)).approve()
    assert (await proposal.info()).state == "made"


# -- the promoter takes back what it promoted ------------------------------------------------------


def test_a_scope_undoes_its_own_promotion(hive, project, run):
    run.write_text("/f", "x")
    run.edit("/a", "1", "one")
    report = run.promote()
    with pytest.raises(VersionNotFound):
        hive.scope("other", parent=project).revert(report.id)
    assert run.revert(report.id) == ["/a", "/f"]
    assert not project.exists("/f")
    assert project.read_text("/a") == "1\n2\n3\n"
    assert "one" not in project.search("one")[0].text
