"""A model that does what its prompt says: the prompt is a script of tool calls and a last word.

It keeps nothing between requests, so one agent may run many scripts at once, and subagents and branches run
the script in their own prompt.
"""

from __future__ import annotations

import json
import re
from typing import Any

import anyio
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

START = "SCRIPT "

EVERYTHING = "<everything>"
"""A last word that repeats all the model was shown, prompt and tool results."""


def script(*steps: dict[str, Any] | list[dict[str, Any]] | str) -> str:
    """A prompt: each step is a call, or calls to make at once; a text ends the run."""
    ends = isinstance(steps[-1], str) if steps else False
    return START + json.dumps(
        [step if isinstance(step, list | str) else [step] for step in steps] + [["done"], []][ends]
    )


def call(tool: str, *, repeat_while: str | None = None, **arguments: Any) -> dict[str, Any]:
    """A tool call. `<<regex>>` in an argument stands for its first group in an earlier result.

    Args:
        tool: Its name.
        repeat_while: Make the call again as long as its result contains this.
        arguments: Its arguments.
    """
    return {"tool": tool, "arguments": arguments, "repeat_while": repeat_while}


def scripted_model() -> FunctionModel:
    return FunctionModel(_respond)


def everything(messages: list[ModelMessage], info: AgentInfo) -> str:
    shown = [info.instructions or ""]
    for message in messages:
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                content = part.content if isinstance(part.content, list | tuple) else [part.content]
                shown += [getattr(item, "content", None) or str(item) for item in content]
            elif isinstance(part, ToolReturnPart):
                shown.append(part.model_response_str())
    return "\n".join(shown)


async def _respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    start = max(index for index, message in enumerate(messages) if _script_of(message) is not None)
    steps = _script_of(messages[start])
    assert steps is not None
    step = steps[_position(steps, messages[start:])]
    if isinstance(step, str):
        return ModelResponse(parts=[TextPart(everything(messages, info) if step == EVERYTHING else step)])
    if step[0]["repeat_while"]:
        await anyio.sleep(0.01)
    results = "\n".join(_results(messages))
    return ModelResponse(parts=[ToolCallPart(each["tool"], _filled(each["arguments"], results)) for each in step])


def _script_of(message: ModelMessage) -> list[Any] | None:
    for part in message.parts:
        if isinstance(part, UserPromptPart) and isinstance(part.content, str) and part.content.startswith(START):
            return json.loads(part.content.removeprefix(START))
        if isinstance(part, UserPromptPart) and isinstance(part.content, str) and START in part.content:
            # A subagent's prompt has the task among other words.
            return json.JSONDecoder().raw_decode(part.content[part.content.index(START) + len(START) :])[0]
    return None


def _position(steps: list[Any], messages: list[ModelMessage]) -> int:
    position = 0
    for index, message in enumerate(messages):
        if isinstance(message, ModelResponse):
            repeat = steps[position][0]["repeat_while"] if isinstance(steps[position], list) else None
            position += not (repeat and repeat in "\n".join(_results(messages[index + 1 : index + 2])))
    return min(position, len(steps) - 1)


def _results(messages: list[ModelMessage]) -> list[str]:
    return [
        part.model_response_str() if isinstance(part, ToolReturnPart) else str(part.content)
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, ToolReturnPart | RetryPromptPart)
    ]


def _filled(value: Any, results: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, results) for key, item in value.items()}
    if not isinstance(value, str):
        return value

    def found(match: re.Match[str]) -> str:
        groups = re.findall(match[1], results)
        assert groups, f"no {match[1]!r} in the results:\n{results}"
        return groups[-1]

    return re.sub("<<(.*?)>>", found, value)
