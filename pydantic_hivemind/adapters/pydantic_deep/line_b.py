"""pydantic-deep from 0.3.45 on, with the `backend=` of the releases before it.

There a run's files live in its workspace. So the dependencies carry the backend, and the agent gets a
capability that makes its scope the workspace of the run.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

import pydantic_deep
from pydantic_ai import Agent
from pydantic_ai.models import Model
from pydantic_ai.output import OutputSpec
from pydantic_ai.workspaces import Workspace

from pydantic_hivemind.adapters.backends.async_backend import AsyncBackend, awaitable
from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.adapters.pydantic_ai.scope_workspace import HivemindWorkspace, backend_of

if TYPE_CHECKING:
    from pydantic_deep import DeepAgent as UpstreamAgent
    from pydantic_deep import DeepAgentDeps as UpstreamDeps
else:
    UpstreamAgent, UpstreamDeps = pydantic_deep.DeepAgent, pydantic_deep.DeepAgentDeps

Output = TypeVar("Output")

DIRECTORIES = ("memory_dir", "plans_dir")
"""Options that name directories from the root, and are relative to the working directory of a workspace."""

IN_MEMORY = "state"
"""`WorkspaceRef.provider` of the workspace that pydantic-deep gives an agent by default."""


@dataclass
class DeepAgentDeps(UpstreamDeps):
    """pydantic-deep's dependencies with a backend: what a run keeps, it keeps in the backend's scope.

    `backend` is a `HivemindBackend` or a session; its methods are awaited when it is read back.
    """

    backend: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.backend is not None:
            backend_of(self.backend)
            self.backend = awaitable(self.backend)

    async def upload_file(self, name: str, content: bytes, *, upload_dir: str = "uploads") -> str:
        """Store a file for this run and later ones, and list it in the prompt; its path.

        Raises:
            RuntimeError: It cannot be stored.
        """
        if self.backend is not None:
            # At once: these dependencies may never see a run, as when one request uploads and another asks.
            result = await cast(AsyncBackend, self.backend).write(f"{upload_dir.rstrip('/')}/{name}", content)
            if result.error:
                raise RuntimeError(f"Failed to upload file: {result.error}")
        return await super().upload_file(name, content, upload_dir=upload_dir)

    async def write_uploads(self, workspace: Workspace) -> None:
        """Called when a run starts: bring the uploads into its workspace."""
        await workspace.working_dir()
        if self.backend is not None and workspace.ref is not None and workspace.ref.provider == IN_MEMORY:
            warnings.warn(
                "This run ignores `deps.backend` and keeps its files in memory: make the agent with "
                "`pydantic_hivemind.deep.create_deep_agent`, or give it `workspace=HivemindWorkspace()`.",
                UserWarning,
                stacklevel=2,
            )
        await cast(Any, super()).write_uploads(workspace)


@overload
def create_deep_agent(
    model: str | Model | None = None,
    *,
    backend: HivemindBackend | None = None,
    output_type: None = None,
    **options: Any,
) -> Agent[DeepAgentDeps, str]: ...


@overload
def create_deep_agent(
    model: str | Model | None = None,
    *,
    backend: HivemindBackend | None = None,
    output_type: OutputSpec[Output],
    **options: Any,
) -> Agent[DeepAgentDeps, Output]: ...


def create_deep_agent(
    model: str | Model | None = None, *, backend: HivemindBackend | None = None, **options: Any
) -> Agent[DeepAgentDeps, Any]:
    """pydantic-deep's `create_deep_agent` for agents whose runs bring their scope in `deps.backend`.

    Args:
        model: As there.
        backend: Accepted as in the releases that have it; a run's own files are in its `deps.backend`.
        options: As there. `workspace=HivemindWorkspace(over=...)` keeps other files and commands elsewhere.
    """
    if backend is not None:
        backend_of(backend)
    agent = pydantic_deep.create_deep_agent(model, **for_scopes(options))
    return cast("Agent[DeepAgentDeps, Any]", agent)


class DeepAgent(UpstreamAgent):
    """pydantic-deep's agents from files and dicts, with `backend=`."""

    @classmethod
    def from_spec(
        cls, data: dict[str, Any], *, backend: HivemindBackend | None = None, **overrides: Any
    ) -> tuple[Agent[DeepAgentDeps, Any], DeepAgentDeps]:
        """An agent and the dependencies of one run of it; other runs bring dependencies of their own."""
        agent, _ = super().from_spec(for_scopes({**data, **overrides}))
        return agent, DeepAgentDeps(backend=backend)


def for_scopes(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an agent whose runs work in scopes."""
    chosen = dict(options)
    if chosen.get("workspace") is None:
        chosen["workspace"] = HivemindWorkspace()
    workspace = chosen["workspace"]
    if isinstance(workspace, HivemindWorkspace) and chosen.get("include_execute") is None:
        chosen["include_execute"] = workspace.runs_commands
    for name in DIRECTORIES:
        if chosen.get(name):
            chosen[name] = chosen[name].lstrip("/")
    return {"deps_type": DeepAgentDeps, **chosen}


def continue_here() -> dict[str, Any]:
    """Options of `agent.run` that continue a conversation in the scope of its `deps`, wherever it was before."""
    return {"workspace": "new"}
