"""A face for a LiveKit agent: python demo/agent_livekit.py dev (LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET)."""

import os

from livekit.agents import Agent, AgentSession, JobContext, WorkerOptions, cli
from livekit.agents.voice.avatar import AvatarOptions, AvatarRunner, QueueAudioOutput

import talkface
from talkface.serve.agents.livekit import livekit_face

animator = talkface.Animator.from_pretrained()
PHOTO = os.environ.get("PHOTO", "demo/portraits/collins.jpg")  # of somebody who agreed
RATE = 24_000  # Hz, of the speech service


async def entrypoint(context: JobContext) -> None:
    """One room: the agent's speech goes through the face."""
    await context.connect()
    live = animator.live(PHOTO, RATE)
    height, width = live.step().image.shape[:2]
    agent = AgentSession(
        stt=os.environ.get("STT", "deepgram/nova-3"),
        llm=os.environ.get("LLM", "openai/gpt-4.1-mini"),
        tts=os.environ.get("TTS", "cartesia/sonic-3"),
    )
    speech = QueueAudioOutput(sample_rate=RATE, wait_playback_start=True)
    options = AvatarOptions(width, height, float(live.fps), RATE, 1)
    runner = AvatarRunner(context.room, audio_recv=speech, video_gen=livekit_face(live), options=options)
    await runner.start()
    agent.output.audio = speech
    await agent.start(agent=Agent(instructions="Talk to me; say that you are an AI."), room=context.room)
    await agent.generate_reply(instructions="Greet the user, and say that you are an AI.")


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
