"""Live use: sound comes in as it is made, pictures and sound go out in step.

Hearing (:mod:`live.hearing`) is what the extractors and the speech model do with a whole recording, done as it comes:
a frame's row is there 80 ms after the frame has ended, its code 80 ms later. Features are relative to the voice
(:class:`data_utils.audio_features.voice_scale.VoiceScale`). Of a recording that is not over that scale is not known, so
a session begins with the usual one, or that of an earlier utterance, and follows what it hears
(:mod:`live.voice_tracker`).

A session (:mod:`live.session`) takes utterances and gives moments, 25 a second: the 40 ms of sound of a frame and its
picture are one object with one number, so nothing can move them apart. :mod:`live.clock` gives them out in real time.
What lends the person is a performer (:mod:`live.performer`); what it does while it says nothing is made without end
(:mod:`live.endless`).
"""
