"""`hivemind token`: making, listing and revoking tokens."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, cast

import typer

from pydantic_hivemind.cli import output
from pydantic_hivemind.cli.exits import ExitCode, Refused
from pydantic_hivemind.cli.options import Json, Store, Workspace, find, names, open_store, seconds
from pydantic_hivemind.limits import DEFAULT_TOKEN_TTL

if TYPE_CHECKING:
    from pydantic_hivemind.tokens import Action, Grant

group = typer.Typer(help="Make, list and revoke tokens.", no_args_is_help=True, rich_markup_mode=None)

Can = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ACTION",
        help="read, append, write, propose, promote or admin; may be given again.",
        show_default="read, write",
    ),
]
TokenTtl = Annotated[
    str | None, typer.Option(metavar="SPAN", help="How long it lasts, such as 12h or 90d.", show_default="30d")
]

Under = Annotated[
    str | None, typer.Option(metavar="PATH", help="Limit it to this file or directory.", show_default="everything")
]
PromoteTo = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Limit promotion to this workspace; may be given again.",
        show_default="any that the workspace inherits from",
        autocompletion=names,
    ),
]
NoDeletes = Annotated[bool, typer.Option("--no-deletes", help="Do not let it delete.")]
Label = Annotated[str | None, typer.Option(metavar="TEXT", help="What it is for, to be shown in lists.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="token")


@group.command()
def create(
    *,
    can: Can = None,
    ttl: TokenTtl = None,
    under: Under = None,
    promote_to: PromoteTo = None,
    no_deletes: NoDeletes = False,
    label: Label = None,
    workspace: Workspace,
    store: Store,
    as_json: Json = False,
) -> None:
    """Make a token for one workspace and print it. It is a secret, and shown this once."""
    from pydantic_hivemind.tokens import Tokens

    with open_store(store) as hive:
        tokens = Tokens(hive)
        token = tokens.create(
            find(hive, workspace),
            can=actions(can),
            ttl=lifetime(ttl),
            under=under,
            promote_to=promote_to or None,
            deletes=not no_deletes,
            label=label,
        )
        grant = tokens.verify(token)
    if as_json:
        output.print_json(
            {"token": token, "id": grant.id, "workspace": grant.workspace, "can": sorted(grant.can)}
            | {"expires_at": grant.expires_at, **_narrowing(grant)}
        )
    else:
        # For people too: what lays out lines would break it.
        sys.stdout.write(f"{token}\n")


@group.command("list")
def list_tokens(*, store: Store, as_json: Json = False) -> None:
    """List the tokens that are valid now, and the token that each was made with, if it was made over HTTP."""
    from pydantic_hivemind.tokens import Tokens

    with open_store(store) as hive:
        grants = Tokens(hive).list()
    rows = [
        (
            grant.id,
            grant.workspace,
            ", ".join(sorted(grant.can)),
            output.moment(grant.created_at),
            output.moment(grant.expires_at),
            grant.made_by or "",
            output.printable(grant.label or ""),
            output.printable(_narrowed(grant)),
        )
        for grant in grants
    ]
    output.show(
        [
            {
                "id": grant.id,
                "workspace": grant.workspace,
                "can": sorted(grant.can),
                "created_at": grant.created_at,
                "expires_at": grant.expires_at,
                "made_by": grant.made_by,
                **_narrowing(grant),
            }
            for grant in grants
        ],
        as_json=as_json,
        people=lambda _: output.table(
            ("id", "workspace", "can", "made", "ends", "made with", "label", "narrowed to"), rows
        ),
        plain=lambda _: [output.row(*cells) for cells in rows],
    )


@group.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `token list` shows it.")],
    *,
    store: Store,
    as_json: Json = False,
) -> None:
    """End a token now, and those that were made with it."""
    from pydantic_hivemind.tokens import Tokens

    with open_store(store) as hive:
        if not Tokens(hive).revoke(token_id):
            raise Refused(
                f"token {token_id!r} does not exist; `hivemind token list` shows the valid ones", ExitCode.NOT_FOUND
            )
    output.show(
        {"id": token_id},
        as_json=as_json,
        people=lambda _: f"Revoked the token {output.printable(token_id)}.",
        plain=lambda _: output.row(token_id),
    )


def _narrowing(grant: Grant) -> dict[str, object]:
    return {
        "under": grant.under,
        "promote_to": None if grant.promote_to is None else list(grant.promote_to),
        "deletes": grant.deletes,
        "label": grant.label,
    }


def _narrowed(grant: Grant) -> str:
    """What narrows a token, for people."""
    parts = [f"under {grant.under}"] if grant.under != "/" else []
    parts += [] if grant.promote_to is None else [f"promote to {', '.join(grant.promote_to)}"]
    parts += [] if grant.deletes else ["no deletes"]
    return "; ".join(parts)


def actions(can: list[str] | None) -> list[Action]:
    """What a token may do; making it refuses what is no action."""
    return cast("list[Action]", can or ["read", "write"])


def lifetime(ttl: str | None) -> float:
    """How many seconds a token lasts."""
    return DEFAULT_TOKEN_TTL if ttl is None else seconds(ttl)
