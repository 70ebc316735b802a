"""The bundle that knows homes: postures from a person's key points, judged room by room."""
