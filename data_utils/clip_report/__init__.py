"""What a clip is like, before any work is done: what of its pictures and its sound will limit the head."""
