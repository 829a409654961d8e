"""The conversation WebSocket at `/chat/ws/{conversation_id}`: a thin translator over the native one."""
