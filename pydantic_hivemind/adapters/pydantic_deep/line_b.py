"""`backend=` for pydantic-deep 0.3.45 and later, as in earlier releases.

In these releases a run's files live in its workspace. So the dependencies carry the backend, and the agent gets a
capability that makes the backend's scope the workspace of the run.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

import pydantic_deep
from pydantic_ai import Agent
from pydantic_ai.models import Model
from pydantic_ai.output import OutputSpec
from pydantic_ai.toolsets import AbstractToolset
from pydantic_ai.workspaces import Workspace

from pydantic_hivemind.adapters.backends.async_backend import AsyncBackend, awaitable
from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.adapters.backends.shown_files import UPLOADS, earlier_uploads
from pydantic_hivemind.adapters.pydantic_ai.hivemind_workspace import HivemindWorkspace, backend_of
from pydantic_hivemind.adapters.pydantic_deep.agent_options import for_many_users
from pydantic_hivemind.hive.async_seam import on_thread

if TYPE_CHECKING:
    from pydantic_ai_backends.types import FileData
    from pydantic_deep import DeepAgent as UpstreamAgent
    from pydantic_deep import DeepAgentDeps as UpstreamDeps
else:
    UpstreamAgent, UpstreamDeps = pydantic_deep.DeepAgent, pydantic_deep.DeepAgentDeps

Output = TypeVar("Output")

DIRECTORIES = ("memory_dir", "plans_dir")
"""Options that name directories by absolute path here, and relative to a workspace's working directory upstream."""

IN_MEMORY = "state"
"""`WorkspaceRef.provider` of the workspace that pydantic-deep gives an agent by default."""


@dataclass
class DeepAgentDeps(UpstreamDeps):
    """pydantic-deep's dependencies with a backend: a run keeps its files in the backend's scope.

    Attributes:
        backend: A `HivemindBackend` or a session. It is wrapped on assignment: its methods are awaited when read back.

    Raises:
        UserError: `backend` is not a `HivemindBackend`.
    """

    backend: Any = field(default=None, kw_only=True)
    _earlier: dict[str, dict[str, Any]] | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.backend is not None:
            backend_of(self.backend)
            self.backend = awaitable(self.backend)

    def _shown(self) -> dict[str, FileData]:
        raw = backend_of(self.backend)
        return {} if raw is None else raw.files

    # What it is called is a field on the first line, which a type checker would not let a property be.
    if not TYPE_CHECKING:
        files = property(_shown, doc="The first files of the scope, as `HivemindBackend.files`.")

    def get_uploads_summary(self) -> str:
        """Return the part of the prompt that lists uploads, those of earlier requests too.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        raw = backend_of(self.backend)
        if raw is not None and self._earlier is None:
            self._earlier = earlier_uploads(raw.scope, UPLOADS.lstrip("/"))
        own: Any = self.uploads
        self.uploads = cast(Any, {**(self._earlier or {}), **own})
        try:
            return cast(str, cast(Any, super()).get_uploads_summary())
        finally:
            self.uploads = own

    async def upload_file(self, name: str, content: bytes, *, upload_dir: str = "uploads") -> str:
        """Store a file for this run and later ones, list it in the prompt, and return its path.

        Args:
            name: Name of the file.
            content: Content in bytes.
            upload_dir: Directory of uploads.

        Raises:
            RuntimeError: The file cannot be stored.
        """
        if self.backend is not None:
            # At once: these dependencies may never see a run, as when one request uploads and another asks.
            result = await cast(AsyncBackend, self.backend).write(f"{upload_dir.rstrip('/')}/{name}", content)
            if result.error:
                raise RuntimeError(f"Failed to upload file: {result.error}")
        return await super().upload_file(name, content, upload_dir=upload_dir)

    async def write_uploads(self, workspace: Workspace) -> None:
        """Copy the uploads into the run's workspace. pydantic-deep calls this when a run starts.

        Raises:
            WorkspaceUnavailableError: The scope does not exist, or was destroyed.
            OSError: A file cannot be written.
        """
        await workspace.working_dir()
        raw = backend_of(self.backend)
        if raw is not None:
            # Here: the prompt is made on the event loop.
            self._earlier = await on_thread(lambda: earlier_uploads(raw.scope, UPLOADS.lstrip("/")))
        if self.backend is not None and workspace.ref is not None and workspace.ref.provider == IN_MEMORY:
            warnings.warn(
                "This run ignores `deps.backend` and keeps its files in memory: make the agent with "
                "`pydantic_hivemind.deep.create_deep_agent`, or pass `workspace=HivemindWorkspace()`.",
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
    """Create a deep agent whose runs bring their scope in `deps.backend`, as pydantic-deep's `create_deep_agent` does.

    Args:
        model: As upstream.
        backend: Accepted as in the releases that have it; the files of a run are in its own `deps.backend`.
        options: As upstream. `workspace=HivemindWorkspace(over=...)` keeps other files and commands elsewhere.

    Raises:
        UserError: `backend` is not a `HivemindBackend`, or an option would be shared by all users.
    """
    if backend is not None:
        backend_of(backend)
    agent = pydantic_deep.create_deep_agent(**for_scopes({**options, "model": model}))
    return cast("Agent[DeepAgentDeps, Any]", agent)


class DeepAgent(UpstreamAgent):
    """pydantic-deep's agents from files and dicts, with `backend=`."""

    @classmethod
    def from_spec(
        cls, data: dict[str, Any], *, backend: HivemindBackend | None = None, **overrides: Any
    ) -> tuple[Agent[DeepAgentDeps, Any], DeepAgentDeps]:
        """Create an agent and the dependencies of one run; other runs bring their own dependencies.

        Args:
            data: The spec, as upstream.
            backend: A `HivemindBackend` or a session, for the dependencies.
            overrides: Values that replace those of the spec.

        Raises:
            UserError: `backend` is not a `HivemindBackend`.
        """
        agent, _ = super().from_spec(for_scopes({**data, **overrides}))
        return agent, DeepAgentDeps(backend=backend)


def for_scopes(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of an agent whose runs work in scopes."""
    chosen = dict(options)
    if chosen.get("workspace") is None:
        chosen["workspace"] = HivemindWorkspace()
    workspace = chosen["workspace"]
    if isinstance(workspace, HivemindWorkspace) and chosen.get("include_execute") is None:
        chosen["include_execute"] = workspace.runs_commands
    for name in DIRECTORIES:
        if chosen.get(name):
            chosen[name] = chosen[name].lstrip("/")
    return {"deps_type": DeepAgentDeps, **for_many_users(chosen, _toolsets)}


def _toolsets(options: dict[str, Any]) -> Sequence[AbstractToolset[Any]]:
    complete: dict[str, Any] = {"deps_type": DeepAgentDeps, **options}
    return pydantic_deep.create_deep_agent(**complete).toolsets


def continue_here() -> dict[str, Any]:
    """Return options of `agent.run` that continue a conversation in the scope of its `deps`, wherever it began."""
    return {"workspace": "new"}
