"""Agents whose tools load and store, and models that call their tools as told."""

import asyncio
from typing import Any

from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.hive.scope import Scope

MEMORY = "/.deep/memory/main/MEMORY.md"
Call = tuple[str, dict[str, Any]]


def scripted(*steps: list[Call]) -> FunctionModel:
    """A model that calls these tools, step by step, and then ends."""

    def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        step = sum(isinstance(message, ModelResponse) for message in messages)
        if step == len(steps):
            return ModelResponse(parts=[TextPart("done")])
        return ModelResponse(parts=[ToolCallPart(name, arguments) for name, arguments in steps[step]])

    return FunctionModel(model)


def returned(messages: list[ModelMessage]) -> list[str]:
    """What the tools answered."""
    parts = [part for message in messages for part in message.parts]
    return [str(part.content) for part in parts if isinstance(part, ToolReturnPart)]


agent = Agent(deps_type=HivemindBackend)


@agent.tool
async def append(ctx: RunContext[HivemindBackend], line: str, path: str = MEMORY) -> str:
    data = await asyncio.to_thread(ctx.deps.read_bytes, path)
    await asyncio.sleep(0)
    result = await asyncio.to_thread(ctx.deps.write, path, data.rstrip(b"\n") + b"\n\n" + line.encode() + b"\n")
    return result.error or "ok"


@agent.tool
async def replace(ctx: RunContext[HivemindBackend], old: str, new: str, path: str = MEMORY) -> str:
    data = await asyncio.to_thread(ctx.deps.read_bytes, path)
    await asyncio.sleep(0)
    result = await asyncio.to_thread(ctx.deps.write, path, data.replace(old.encode(), new.encode()))
    return result.error or "ok"


@agent.tool
def load(ctx: RunContext[HivemindBackend], path: str = MEMORY) -> str:
    return ctx.deps.read_bytes(path).decode()


@agent.tool
def store(ctx: RunContext[HivemindBackend], text: str, path: str = MEMORY) -> str:
    return ctx.deps.write(path, text).error or "ok"


@agent.tool
def edit(ctx: RunContext[HivemindBackend], old: str, new: str, path: str = MEMORY) -> str:
    return ctx.deps.edit(path, old, new).error or "ok"


@agent.tool
def meanwhile(ctx: RunContext[HivemindBackend], text: str, path: str = MEMORY) -> str:
    """Somebody else writes."""
    ctx.deps.scope.write_text(path, text)
    return "ok"


@agent.tool
async def append_what_another_agent_says(ctx: RunContext[HivemindBackend], line: str) -> str:
    """Delegation as pydantic-ai documents it: the other agent's requests count as this run's."""
    data = await asyncio.to_thread(ctx.deps.read_bytes, MEMORY)
    said = await agent.run("?", model=scripted([("load", {})]), deps=ctx.deps, usage=ctx.usage)
    line = f"{line} {said.output}"
    return (await asyncio.to_thread(ctx.deps.write, MEMORY, data + line.encode() + b"\n")).error or "ok"


def run(backend: HivemindBackend, *steps: list[Call]) -> list[str]:
    return returned(asyncio.run(agent.run("go", model=scripted(*steps), deps=backend)).all_messages())


def lines_of(scope: Scope) -> list[str]:
    return [line for line in scope.read_text(MEMORY).split("\n") if line]
