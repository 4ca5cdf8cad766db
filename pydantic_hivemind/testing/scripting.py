"""A model that needs no API key and no network: it does what the user's message says.

`Remember: ...` writes memory, `Lesson: ...` writes a shared note, `Find: ...` searches, `Plan: ...` has the planner
save a plan, `Read: /path` reads a file, `Use: name` calls another tool, and `Recall` reads memory. The lines of a
paragraph are executed at once, paragraphs one after the other. The answer is what the tools returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

_TOOLS: dict[str, Callable[[str], tuple[str, dict[str, object]]]] = {
    "Remember": lambda text: ("write_memory", {"content": f"- {text}"}),
    "Lesson": lambda text: ("remember", {"content": text, "file": "lessons.md", "tags": ["lesson"]}),
    "Find": lambda text: ("search_memory", {"query": text, "limit": 1}),
    "Plan": lambda text: ("task", {"description": text, "subagent_type": "planner"}),
    "Read": lambda path: ("read_file", {"path": path}),
    "Use": lambda name: (name, {}),
    "Recall": lambda _: ("read_memory", {"file": "MEMORY.md"}),
}
"""The tool for the first word of a line, with arguments that suit every version of pydantic-deep."""


def scripted_model() -> FunctionModel:
    """Return the model, for `create_deep_agent(model=...)` and every subagent."""
    return FunctionModel(_respond, model_name="scripted")


def _respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    start = max(index for index, message in enumerate(messages) if any(_prompts(message)))
    prompt = "\n".join(_prompts(messages[start]))
    turn = messages[start + 1 :]
    steps = prompt.split("\n\n")
    step = sum(isinstance(message, ModelResponse) for message in turn)
    plans = any(tool.name == "save_plan" for tool in info.function_tools)
    if plans and step == 0:
        return ModelResponse([ToolCallPart("save_plan", {"title": "Plan", "content": prompt})])
    if not plans and step < len(steps):
        lines = [line.partition(":") for line in steps[step].splitlines()]
        calls = [_call(info, *_TOOLS[word](text.strip())) for word, _, text in lines if word in _TOOLS]
        return ModelResponse(calls or [TextPart(f"You said: {prompt}")])
    results = [part for message in turn for part in message.parts if isinstance(part, ToolReturnPart)]
    return ModelResponse([TextPart("\n".join(part.model_response_str() for part in results))])


def _call(info: AgentInfo, name: str, arguments: dict[str, object]) -> ToolCallPart:
    """Return a tool call with those of the arguments that the tool accepts."""
    known = {
        key for tool in info.function_tools if tool.name == name for key in tool.parameters_json_schema["properties"]
    }
    return ToolCallPart(name, {key: value for key, value in arguments.items() if key in known})


def _prompts(message: ModelMessage) -> Iterator[str]:
    """Return the user's texts in a message. They alone are plain strings: memory may be part of the same message."""
    return (
        part.content for part in message.parts if isinstance(part, UserPromptPart) and isinstance(part.content, str)
    )
