"""The story that `hivemind demo` tells. Every line of it is checked through the server's answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic_hivemind.demo import SERVICE_LOG
from pydantic_hivemind.demo.server_process import ANSWER_TIMEOUT, Answer, Server

HANDBOOK = "Releases are on Tuesdays."
HANDBOOK_FILE = "/handbook.md"
MEMORY = "/.deep/memory/main/MEMORY.md"
LESSONS = "/.deep/memory/main/lessons.md"
LEARNED = "the service restarts in two steps"
LESSON = "the staging database is restored from a backup every Sunday"
QUESTION = "when is the test data replaced?"


class StepFailed(Exception):
    """The server's answers do not show what the story says."""


@dataclass(frozen=True)
class User:
    """Somebody in the story, with something that only they know."""

    name: str
    fact: str
    plan: str

    @property
    def wishes(self) -> str:
        """What they ask their agent to do, all at once."""
        return f"Remember: {self.fact}\nPlan: {self.plan}\nUse: service_log\nRead: /handbook.md"


ADA = User("ada", "the deploy key is in the blue vault", "move the cluster to the north")
BO = User("bo", "the staging password changes on Fridays", "teach the interns to juggle")
USERS = (ADA, BO)


class Story:
    """Tells the story with a server.

    Args:
        server: Started, on an empty store or on one where the story was told before.
        say: Called with each line, once it was found to be true.
    """

    def __init__(self, server: Server, say: Callable[[str], None]) -> None:
        self._server = server
        self._say = say

    def tell(self) -> None:
        """Tell all of it.

        Raises:
            StepFailed: Something is not as the story says; nothing is told from there on.
        """
        self.project()
        self.chat()
        self.isolation()
        self.success()
        self.sharing()
        self.failure()
        self.crash()

    def project(self) -> None:
        """A file that the whole project reads."""
        self._title("A server starts, and the project gets a handbook")
        answer = self._server.call(ADA.name, "PUT", "/project/handbook.md", HANDBOOK)
        self._shows(f"the server answers at {self._server.address}", answer.status == HTTPStatus.OK)
        for user in USERS:
            self._shows(f"{user.name} reads the handbook", self._file(user, HANDBOOK_FILE) == HANDBOOK)

    def chat(self) -> None:
        """Both at once, and each agent uses everything it has."""
        self._title("Two users chat at the same time")
        with ThreadPoolExecutor() as pool:
            chats = [pool.submit(self._ask, user, "POST", "/chat/main", user.wishes) for user in USERS]
        for user, answer in zip(USERS, (chat.result() for chat in chats), strict=True):
            self._shows(f"{user.name}'s agent wrote memory: {user.fact}", user.fact in self._file(user, MEMORY))
            self._shows(f"... a plan: {user.plan}", any(user.plan in text for text in self._under(user, "plans")))
            evicted = self._under(user, "large_tool_results")
            self._shows(
                f"... and left a tool result of {len(SERVICE_LOG):,} characters in a file, not in its context",
                SERVICE_LOG in evicted and len(answer) < len(SERVICE_LOG) / 10,
            )
            self._shows("... and read the project's handbook", HANDBOOK in answer)

    def isolation(self) -> None:
        """Neither can see what is the other's, however they ask."""
        self._title("Neither can see what is the other's")
        for user, other in (USERS, USERS[::-1]):
            files, conversation, _ = self._everything(user)
            seen = "".join([*files.values(), *conversation])
            self._shows(f"{user.name} finds what {user.name} said in {len(files)} files", user.fact in seen)
            self._shows(f"... and nothing of {other.name}'s", other.fact not in seen and other.plan not in seen)
            theirs = next(path for path in self._paths(other) if path not in self._paths(user))
            answer = self._get(user, f"/files{theirs}")
            self._shows(f"... {theirs} is not there", answer.status == HTTPStatus.NOT_FOUND)
        for name in ("bo/", "ada/../bo", "project/acme/user/bo", "Bo"):
            seen = self._paths(User(name, "", ""))
            self._shows(f"who is called {name!r} sees what is the project's alone", {*seen} <= {HANDBOOK_FILE, LESSONS})

    def success(self) -> None:
        """A run in a session, which is promoted."""
        self._title("A run that succeeds is promoted")
        promoted = self._ask(ADA, "POST", "/runs", f"Remember: {LEARNED}")
        memory = self._file(ADA, MEMORY)
        self._shows(f"the run promoted {', '.join(promoted)}", MEMORY in promoted)
        self._shows(f"ada's memory has gained: {LEARNED}", LEARNED in memory and ADA.fact in memory)
        self._shows("... and bo's has not", LEARNED not in self._file(BO, MEMORY))

    def sharing(self) -> None:
        """What one agent learned, another finds, in other words."""
        self._title("What one user's agent learned, the others find by its meaning")
        told_before = LESSONS in self._paths(BO)
        nothing = self._ask(BO, "POST", "/chat/main", f"Find: {QUESTION}")
        self._shows(f"bo's agent looks for: {QUESTION}", LESSON not in nothing or told_before)
        shared = self._ask(ADA, "POST", "/runs", f"Lesson: {LESSON}")
        self._shows(f"ada's run promotes {LESSONS} to the project", LESSONS in shared or told_before)
        found = self._ask(BO, "POST", "/chat/main", f"Find: {QUESTION}")
        self._shows(f"bo's agent looks again and finds: {LESSON}", LESSON in found)
        secrets = self._ask(BO, "POST", "/chat/main", "Find: the key to the vault")
        self._shows("... but nothing that ada kept for herself", ADA.fact not in secrets)

    def failure(self) -> None:
        """A run in a session, which raises after it has written."""
        self._title("A run that fails leaves nothing")
        before, runs = self._everything(ADA), self._runs(ADA)
        answer = self._call(ADA, "POST", "/runs", "Remember: the cluster is up\n\nUse: deploy")
        self._shows("the run wrote memory and then failed", answer.status == HTTPStatus.INTERNAL_SERVER_ERROR)
        self._shows("nothing of it is in ada's files", self._everything(ADA) == before)
        self._shows("... and its session is gone", self._runs(ADA) == runs)

    def crash(self) -> None:
        """The end of the process, in the middle of a run."""
        self._title("The server is killed with SIGKILL in the middle of a run, and started again")
        before = [self._everything(user) for user in USERS]
        self._shows("each user has files, a conversation and checkpoints", all(all(parts) for parts in before))
        runs = self._runs(ADA)
        with ThreadPoolExecutor() as pool:
            run = pool.submit(self._call, ADA, "POST", "/runs", "Remember: half of it is done\n\nUse: migrate")
            self._wait(lambda: self._runs(ADA) > runs)
            self._server.kill()
            self._shows("the run died with the server", run.result().status == 0)
        self._server.start()
        for user, had in zip(USERS, before, strict=True):
            files, conversation, checkpoints = self._everything(user)
            self._shows(f"{user.name}'s {len(files)} files are all there", files == had[0])
            self._shows(f"... with the {len(conversation)} messages of the conversation", conversation == had[1])
            self._shows(f"... and {len(checkpoints)} checkpoints", checkpoints == had[2])
            recalled = self._ask(user, "POST", "/chat/main", "Recall")
            self._shows(f"{user.name}'s agent remembers: {user.fact}", user.fact in recalled)
            told = self._get(user, "/chat/main").data
            self._shows("... and the conversation goes on", told == [*conversation, "Recall", recalled])

    # -- asking the server ---------------------------------------------------------------------

    def _title(self, text: str) -> None:
        self._say(f"\n{text}")

    def _shows(self, text: str, condition: bool) -> None:  # noqa: FBT001 (it is what is asserted)
        if not condition:
            raise StepFailed(text)
        self._say(f"  ok  {text}")

    def _call(self, user: User, method: str, path: str, text: str) -> Answer:
        return self._server.call(user.name, method, path, {"text": text})

    def _get(self, user: User, path: str) -> Answer:
        return self._server.call(user.name, "GET", path)

    def _ask(self, user: User, method: str, path: str, text: str) -> Any:
        answer = self._call(user, method, path, text)
        if answer.status != HTTPStatus.OK:
            raise StepFailed(f"{method} {path} works for {user.name}; it answered {answer.status}")
        return answer.data

    def _paths(self, user: User) -> list[str]:
        return self._get(user, "/files").data

    def _file(self, user: User, path: str) -> str:
        return self._get(user, f"/files{path}").data

    def _under(self, user: User, directory: str) -> list[str]:
        """What is in the user's files somewhere under a directory of that name."""
        return [self._file(user, path) for path in self._paths(user) if f"/{directory}/" in path]

    def _runs(self, user: User) -> int:
        return self._get(user, "/runs").data

    def _everything(self, user: User) -> tuple[dict[str, str], list[str], list[str]]:
        """All files, the conversation and the checkpoints of a user."""
        files = {path: self._file(user, path) for path in self._paths(user)}
        return files, self._get(user, "/chat/main").data, self._get(user, "/chat/main/checkpoints").data

    def _wait(self, until: Callable[[], bool]) -> None:
        end = time.monotonic() + ANSWER_TIMEOUT
        while not until():
            if time.monotonic() > end:
                raise StepFailed("the server does what it is asked for")
            time.sleep(0.02)
