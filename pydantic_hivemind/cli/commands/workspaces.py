"""`hivemind workspace`: making, showing and deleting workspaces."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from pydantic_hivemind.cli import output
from pydantic_hivemind.cli.exits import explain
from pydantic_hivemind.cli.options import Json, Name, Store, find, names, open_store, seconds
from pydantic_hivemind.errors import ScopeExists, ScopeHasChildren, ScopeNotFound

if TYPE_CHECKING:
    from rich.tree import Tree

    from pydantic_hivemind.base.values import ScopeInfo
    from pydantic_hivemind.hive.hivemind import Hivemind
    from pydantic_hivemind.hive.scope import Scope

group = typer.Typer(help="Make, show and delete workspaces.", no_args_is_help=True, rich_markup_mode=None)

Ttl = Annotated[str | None, typer.Option(metavar="SPAN", help="Delete it after this long, such as 90s, 30m, 2h or 7d.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="workspace")


@group.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new workspace's name.")],
    *,
    inherit: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The workspace it reads through to; made if there is none.", autocompletion=names
        ),
    ] = None,
    ttl: Ttl = None,
    exist_ok: Annotated[
        bool, typer.Option("--exist-ok", help="Fine if there is such a workspace that inherits the same.")
    ] = False,
    store: Store,
    as_json: Json = False,
) -> None:
    """Make a workspace, and the store if there is none."""
    lifetime = None if ttl is None else seconds(ttl)
    with open_store(store, make=True) as hive:
        found, is_new = made(hive, name, inherit, lifetime, exist_ok=exist_ok)
        output.show(
            found.info(),
            as_json=as_json,
            people=lambda info: (
                f"{'Made the workspace' if is_new else 'There is the workspace'} {output.printable(info.name)}."
            ),
            plain=lambda info: output.row(info.name),
        )


@group.command("list")
def list_workspaces(*, store: Store, as_json: Json = False) -> None:
    """List all workspaces."""
    with open_store(store) as hive:
        output.show(
            hive.scopes(),
            as_json=as_json,
            people=lambda infos: output.table(
                ("name", "inherits", "made", "ends"),
                [
                    (info.name, info.parent, output.moment(info.created_at), output.moment(info.expires_at))
                    for info in infos
                ],
            ),
            plain=lambda infos: [output.row(info.name) for info in infos],
        )


@group.command()
def tree(*, store: Store, as_json: Json = False) -> None:
    """Show which workspace reads through to which."""
    with open_store(store) as hive:
        infos = hive.scopes()
        output.show(
            [_nested(info, infos) for info in infos if info.parent is None],
            as_json=as_json,
            people=_drawn,
            plain=lambda roots: [line for root in roots for line in _indented(root)],
        )


@group.command()
def show(name: Name, *, store: Store, as_json: Json = False) -> None:
    """Show what is known of a workspace."""
    with open_store(store) as hive:
        scope = find(hive, name)
        chain = [scope]
        while (above := chain[-1].parent) is not None:
            chain.append(above)
        known: dict[str, Any] = {
            **asdict(scope.info()),
            "chain": [ancestor.name for ancestor in chain],
            "children": [child.name for child in scope.children],
            "files": len(scope.glob("**")),
            "checkpoints": scope.checkpoints().count(),
            "conversations": [info.id for info in scope.conversations()],
        }
    rows = [(key, _text(key, value)) for key, value in known.items()]
    output.show(
        known,
        as_json=as_json,
        people=lambda _: output.table(("", ""), rows),
        plain=lambda _: [output.row(*pair) for pair in rows],
    )


@group.command()
def move(
    name: Name,
    *,
    to: Annotated[str | None, typer.Option("--name", metavar="TEXT", help="Its new name.")] = None,
    inherit: Annotated[
        str | None, typer.Option(metavar="NAME", help="The workspace it is to read through to.", autocompletion=names)
    ] = None,
    root: Annotated[bool, typer.Option("--root", help="Let it inherit from nothing.")] = False,
    store: Store,
    as_json: Json = False,
) -> None:
    """Rename a workspace, or let it inherit from another one.

    Files, history, conversations, checkpoints, tokens and the workspaces under it stay.
    """
    if root and inherit is not None:
        raise typer.BadParameter("pass --inherit or --root, not both")
    with open_store(store) as hive:
        scope = find(hive, name)
        if root or inherit is not None:
            scope.move(name=to, parent=None if inherit is None else find(hive, inherit))
        else:
            scope.move(name=to)
        output.show(
            scope.info(),
            as_json=as_json,
            people=lambda info: (
                f"{output.printable(info.name)} inherits from {output.printable(info.parent)}."
                if info.parent
                else f"{output.printable(info.name)} inherits from nothing."
            ),
            plain=lambda info: output.row(info.name),
        )


@group.command()
def renew(name: Name, *, ttl: Ttl = None, store: Store, as_json: Json = False) -> None:
    """Let a workspace live this long from now on; without --ttl as long as what it inherits."""
    lifetime = None if ttl is None else seconds(ttl)
    with open_store(store) as hive:
        scope = find(hive, name)
        scope.renew(lifetime)
        output.show(
            scope.info(),
            as_json=as_json,
            people=lambda info: f"It ends {output.moment(info.expires_at) or 'when it is deleted'}.",
            plain=lambda info: output.row(info.name),
        )


@group.command()
def delete(
    name: Name,
    *,
    cascade: Annotated[bool, typer.Option("--cascade", help="Delete what reads through to it, too.")] = False,
    store: Store,
    as_json: Json = False,
) -> None:
    """Delete a workspace and everything in it, for good."""
    with open_store(store) as hive:
        scope = find(hive, name)
        try:
            scope.destroy(cascade=cascade)
        except ScopeHasChildren:
            message = f"other workspaces inherit from {name!r}; delete them first, or pass --cascade to delete them too"
            raise ScopeHasChildren(message) from None
    output.show(
        {"name": name},
        as_json=as_json,
        people=lambda _: f"Deleted the workspace {output.printable(name)}.",
        plain=lambda _: output.row(name),
    )


def made(hive: Hivemind, name: str, inherit: str | None, ttl: float | None, *, exist_ok: bool) -> tuple[Scope, bool]:
    """Return a workspace, and whether it is new."""
    # Before anything is made for it.
    taken = _existing(hive, name, inherit) if exist_ok else None
    if taken is not None:
        return taken, False
    parent = None if inherit is None else parent_of(hive, inherit)
    try:
        return hive.create(name, parent, ttl=ttl), True
    except ScopeExists:
        taken = _existing(hive, name, inherit) if exist_ok else None
        if taken is None:
            raise
        return taken, False


def _existing(hive: Hivemind, name: str, inherit: str | None) -> Scope | None:
    """Return the workspace of that name, if there is one.

    Raises:
        ScopeExists: It inherits from another one.
    """
    with suppress(ScopeNotFound):
        found = hive.get(name)
        above = found.chain[1] if len(found.chain) > 1 else None
        if above != inherit:
            reason = f"inherits from {above!r}" if above is not None else "inherits from nothing"
            raise ScopeExists(f"the workspace {name!r} exists and {reason}; change that with `hivemind workspace move`")
        return found
    return None


def parent_of(hive: Hivemind, name: str) -> str:
    """Return the name of a workspace to inherit from, which is made if there is none."""
    try:
        hive.get(name)
    except ScopeNotFound:
        hive.scope(name)
        explain(f"created the workspace {name!r} to inherit from, as it did not exist")
    return name


def _text(key: str, value: Any) -> object:
    if key.endswith("_at"):
        return output.moment(value)
    return ", ".join(cast("list[str]", value)) if isinstance(value, list) else value


def _nested(info: ScopeInfo, infos: list[ScopeInfo]) -> dict[str, Any]:
    children = [_nested(child, infos) for child in infos if child.parent == info.name]
    return {**asdict(info), "children": children}


def _indented(node: dict[str, Any], depth: int = 0) -> list[str]:
    inside = [line for child in node["children"] for line in _indented(child, depth + 1)]
    return ["  " * depth + output.row(node["name"]), *inside]


def _drawn(roots: list[dict[str, Any]]) -> Tree:
    from rich.tree import Tree

    drawn = Tree("", hide_root=True)
    for root in roots:
        _add(drawn, root)
    return drawn


def _add(drawn: Tree, node: dict[str, Any]) -> None:
    ends = output.moment(node["expires_at"])
    branch = drawn.add(output.row(node["name"]) + (f"  (ends {ends})" if ends else ""))
    for child in node["children"]:
        _add(branch, child)
