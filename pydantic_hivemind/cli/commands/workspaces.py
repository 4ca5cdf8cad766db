"""`hivemind workspace`: making, showing and deleting workspaces."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from pydantic_hivemind.cli import output
from pydantic_hivemind.cli.exits import explain
from pydantic_hivemind.cli.options import Json, Name, Store, find, names, open_store, seconds
from pydantic_hivemind.errors import ScopeHasChildren, ScopeNotFound

if TYPE_CHECKING:
    from rich.tree import Tree

    from pydantic_hivemind.base.values import ScopeInfo
    from pydantic_hivemind.hive.hivemind import Hivemind

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
    store: Store,
    as_json: Json = False,
) -> None:
    """Make a workspace, and the store if there is none."""
    lifetime = None if ttl is None else seconds(ttl)
    with open_store(store, make=True) as hive:
        parent = None if inherit is None else _parent(hive, inherit)
        made = hive.create(name, parent, ttl=lifetime)
        output.show(
            made.info(),
            as_json=as_json,
            people=lambda info: f"Made the workspace {output.printable(info.name)}.",
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
            "conversations": scope.conversations(),
        }
    rows = [(key, _text(key, value)) for key, value in known.items()]
    output.show(
        known,
        as_json=as_json,
        people=lambda _: output.table(("", ""), rows),
        plain=lambda _: [output.row(*pair) for pair in rows],
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


def _parent(hive: Hivemind, name: str) -> str:
    try:
        hive.scope(name, create=False)
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
