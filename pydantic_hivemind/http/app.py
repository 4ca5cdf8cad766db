"""`create_app`: the HTTP API as a FastAPI app."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.http import openapi_page, problems
from pydantic_hivemind.http.bodies import Bodies
from pydantic_hivemind.http.guard import Guard
from pydantic_hivemind.http.metrics import Metrics
from pydantic_hivemind.http.readiness import Readiness
from pydantic_hivemind.http.routes import changes, files, finding, proposals, tokens, workspaces
from pydantic_hivemind.http.sending import Sending
from pydantic_hivemind.rendering.error_statuses import remote_text
from pydantic_hivemind.tokens import Tokens

DESCRIPTION = """
Files that agents share without leaking. A token names one workspace: what it inherits can be read, itself be written,
and nothing else be seen.

- **Versions** are ETags. `If-Match` makes a change happen only to the version that was read, `If-None-Match: *` only
  where there is no file; otherwise the answer is `412` and nothing was changed.
- **`Idempotency-Key`** names a change, so that sending it again does it once, for a week.
- **Errors** are problem details (RFC 9457); `error` in them is the name of the Python exception.
- **Bytes in JSON** are base64. Times are seconds since the epoch.
"""


def create_app(
    hive: Hivemind,
    *,
    token_store: Tokens | None = None,
    hosts: Collection[str] = (),
    mounts: Mapping[str, Starlette] | None = None,
) -> FastAPI:
    """Return the HTTP API of a hive as an app, to serve or to mount in another app.

    Args:
        hive: The hive; whoever opened it closes it.
        token_store: The tokens that are accepted; if omitted, those of the hive.
        hosts: Host names under which it is served, in addition to those of this machine and IP addresses.
        mounts: Other apps to serve, by the path under which they are mounted.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with AsyncExitStack() as running:
            for mounted in (mounts or {}).values():
                await running.enter_async_context(mounted.router.lifespan_context(mounted))
            yield

    app = FastAPI(
        title="Hivemind",
        version=version("pydantic-hivemind"),
        description=DESCRIPTION,
        lifespan=lifespan,
        # FastAPI's own pages load scripts from another server.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    app.state.hivemind = hive
    app.state.tokens = token_store or Tokens(hive)
    api = APIRouter(prefix="/v1", responses=problems.ALWAYS)
    for part in (files, finding, changes, proposals, workspaces, tokens):
        api.include_router(part.router)
    app.include_router(api)
    metrics = Metrics()
    readiness = Readiness(hive)

    @app.get("/health", tags=["server"], responses=problems.documented(403, 421))
    async def health() -> dict[str, str]:
        """Whether the server is alive. The store is not asked: restarting would not help it."""
        return {"status": "ok"}

    @app.head("/health", tags=["server"], response_class=Response, responses=problems.documented(403, 421))
    async def health_head() -> Response:
        """As GET, without saying anything."""
        return Response()

    @app.get("/ready", tags=["server"], responses=problems.documented(403, 421, 503))
    async def ready() -> Response:
        """Whether the store can be written. An answer holds for a second."""
        if (error := await readiness.problem()) is not None:
            return problems.problem(503, remote_text(error), type(error).__name__)
        return JSONResponse({"status": "ready"})

    @app.get("/metrics", tags=["server"], response_class=PlainTextResponse, responses=problems.documented(403, 421))
    def metrics_page() -> Response:
        """How many requests there were of each kind, and how long they took, for Prometheus."""
        return metrics.page()

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        """The OpenAPI document, for people."""
        return HTMLResponse(openapi_page.page(app.openapi()), headers=openapi_page.HEADERS)

    for path, mounted in (mounts or {}).items():
        # Itself too, without a redirect to the path with a slash.
        app.router.routes.append(Route(path, mounted, name=path.strip("/"), include_in_schema=False))
        app.mount(path, mounted)
    problems.install(app)
    app.add_middleware(Bodies)
    app.add_middleware(Guard, hosts=hosts)
    app.add_middleware(metrics.around)
    app.add_middleware(Sending)
    return app


def _operation_id(route: APIRoute) -> str:
    """The name of the operation, which is that of the method that does it."""
    return route.name
