"""The text of messages, as searches of histories read and show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage


def message_text(message: ModelMessage) -> str:
    """Return what was said in a message, a line or more for each part; empty if there is nothing to be found by.

    Instructions, system prompts and thinking are left out: they are not what the user and the agent said.
    """
    return "\n".join(line for part in message.parts if (line := _line(part)))


def _line(part: Any) -> str | None:
    from pydantic_ai.messages import TextPart, ToolCallPart, ToolReturnPart, UserPromptPart

    if isinstance(part, UserPromptPart):
        return _labelled("User", _prompt(part.content))
    if isinstance(part, TextPart):
        return _labelled("Assistant", part.content)
    if isinstance(part, ToolReturnPart):
        return _labelled(f"Tool {part.tool_name}", part.model_response_str())
    if isinstance(part, ToolCallPart):
        return _labelled(f"Call of {part.tool_name}", part.args_as_json_str())
    return None


def _labelled(label: str, text: str) -> str | None:
    return f"{label}: {text}" if text.strip() else None


def _prompt(content: Any) -> str:
    if isinstance(content, str):
        return content
    # Of images and files there is nothing to read; text with metadata has its text in `content`.
    texts = [item if isinstance(item, str) else getattr(item, "content", None) for item in content]
    return "\n".join(text for text in texts if isinstance(text, str))
