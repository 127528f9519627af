"""`model-adapter`: completions and embeddings."""

try:
    from wit_world.exports.model_adapter import *  # noqa: F403
except ImportError:
    from dataclasses import dataclass
    from enum import Enum
    from typing import List, Optional, Union

    from . import types

    class Role(Enum):
        SYSTEM = 0
        DEVELOPER = 1
        USER = 2
        ASSISTANT = 3
        TOOL = 4

    @dataclass
    class Image:
        url: str
        detail: Optional[str]

    @dataclass
    class ContentPart_Text:
        value: str

    @dataclass
    class ContentPart_Image:
        value: Image

    ContentPart = Union[ContentPart_Text, ContentPart_Image]

    @dataclass
    class ToolCall:
        id: str
        name: str
        arguments: str

    @dataclass
    class Message:
        role: Role
        content: List[ContentPart]
        name: Optional[str]
        reasoning: Optional[str]
        refusal: Optional[str]
        tool_calls: List[ToolCall]
        tool_call_id: Optional[str]

    @dataclass
    class ToolDefinition:
        name: str
        description: Optional[str]
        parameters: Optional[str]
        strict: Optional[bool]

    @dataclass
    class ToolChoice_None_:
        pass

    @dataclass
    class ToolChoice_Auto:
        pass

    @dataclass
    class ToolChoice_Required:
        pass

    @dataclass
    class ToolChoice_Function:
        value: str

    ToolChoice = Union[ToolChoice_None_, ToolChoice_Auto, ToolChoice_Required, ToolChoice_Function]

    @dataclass
    class JsonSchemaFormat:
        name: str
        description: Optional[str]
        schema: str
        strict: Optional[bool]

    @dataclass
    class ResponseFormat_Text:
        pass

    @dataclass
    class ResponseFormat_JsonObject:
        pass

    @dataclass
    class ResponseFormat_JsonSchema:
        value: JsonSchemaFormat

    ResponseFormat = Union[ResponseFormat_Text, ResponseFormat_JsonObject, ResponseFormat_JsonSchema]

    @dataclass
    class CompletionRequest:
        upstream_model: str
        messages: List[Message]
        tools: List[ToolDefinition]
        tool_choice: Optional[ToolChoice]
        parallel_tool_calls: Optional[bool]
        response_format: Optional[ResponseFormat]
        streamed: bool
        max_tokens: Optional[int]
        temperature: Optional[float]
        top_p: Optional[float]
        frequency_penalty: Optional[float]
        presence_penalty: Optional[float]
        stop: List[str]
        seed: Optional[int]
        user: Optional[str]
        extra: Optional[str]

    @dataclass
    class Usage:
        input_tokens: int
        cached_input_tokens: int
        output_tokens: int
        reasoning_tokens: int

    @dataclass
    class ToolCallPiece:
        index: int
        id: Optional[str]
        name: Optional[str]
        arguments: str

    class FinishReason(Enum):
        STOP = 0
        LENGTH = 1
        TOOL_CALLS = 2
        CONTENT_FILTER = 3

    @dataclass
    class CompletionEffect_Send:
        value: types.HttpRequest

    @dataclass
    class CompletionEffect_Text:
        value: str

    @dataclass
    class CompletionEffect_Reasoning:
        value: str

    @dataclass
    class CompletionEffect_Refusal:
        value: str

    @dataclass
    class CompletionEffect_ToolCall:
        value: ToolCallPiece

    @dataclass
    class CompletionEffect_Usage:
        value: Usage

    @dataclass
    class CompletionEffect_Finish:
        value: FinishReason

    @dataclass
    class CompletionEffect_Again:
        pass

    CompletionEffect = Union[
        CompletionEffect_Send,
        CompletionEffect_Text,
        CompletionEffect_Reasoning,
        CompletionEffect_Refusal,
        CompletionEffect_ToolCall,
        CompletionEffect_Usage,
        CompletionEffect_Finish,
        CompletionEffect_Again,
    ]

    @dataclass
    class EmbeddingRequest:
        upstream_model: str
        inputs: List[str]
        dimensions: Optional[int]
        user: Optional[str]
        extra: Optional[str]

    @dataclass
    class Embedded:
        index: int
        vector: List[float]

    @dataclass
    class EmbeddingEffect_Send:
        value: types.HttpRequest

    @dataclass
    class EmbeddingEffect_Vector:
        value: Embedded

    @dataclass
    class EmbeddingEffect_Usage:
        value: Usage

    @dataclass
    class EmbeddingEffect_Finish:
        pass

    @dataclass
    class EmbeddingEffect_Again:
        pass

    EmbeddingEffect = Union[
        EmbeddingEffect_Send,
        EmbeddingEffect_Vector,
        EmbeddingEffect_Usage,
        EmbeddingEffect_Finish,
        EmbeddingEffect_Again,
    ]
