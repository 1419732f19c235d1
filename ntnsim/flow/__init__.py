"""The world as fluid: streams of images as rates, queues by their moments, for more images than events can follow."""
