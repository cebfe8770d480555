"""A local server of vLLM's documented interface, over tiny policies: what it is not asked as documented it refuses."""

import base64
import copy
import io
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import parse_qs, urlsplit

import torch
from peft import PeftModel
from PIL import Image
from tiny import tiny_encoder, tiny_model
from transformers import Qwen2_5_VLForConditionalGeneration

from pathvlm_r1.model import EncodedPrompt, Policy, PromptGroup, token_log_probs
from pathvlm_r1.rollout import Decoding, NativeEngine

SAMPLING = {
    "model", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty",
    "max_tokens", "stop_token_ids", "logit_bias", "return_token_ids", "n", "seed", "logprobs",
}  # fmt: skip


class Refused(Exception):
    """Answered with a status and a message."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


def decoded(part):
    """The picture of a message's part, which is sent as PNG."""
    kind, _, data = part["image_url"]["url"].partition(";base64,")
    assert (part["type"], kind) == ("image_url", "data:image/png")
    return Image.open(io.BytesIO(base64.b64decode(data)))


class Picture:
    def __init__(self, image):
        self.image = image

    def load(self):
        return self.image


class FakeVLLM:
    """The state behind the server: the model that it was started with, its adapters, and what it was asked."""

    def __init__(self, *, logprobs_mode="processed_logprobs", api_key=None, encoder=None, model=None):
        self.logprobs_mode, self.api_key = logprobs_mode, api_key
        self.encoder = tiny_encoder() if encoder is None else encoder
        self.models = {"policy": tiny_model(torch.float32) if model is None else model}
        self.is_paused, self.faults, self.asked = False, [], []
        self.edit = lambda answer: answer  # of completions, for what a server of another version would answer
        self._lock = Lock()

    def handle(self, method, path, body):
        parts = urlsplit(path)
        self.asked.append((f"{method} {parts.path}", body))
        if self.faults:
            raise self.faults.pop(0)
        routes = {
            "GET /v1/models": lambda: {"object": "list", "data": [{"id": name} for name in self.models]},
            "POST /v1/completions": lambda: self.completions(body),
            "POST /v1/chat/completions": lambda: self.chat(body),
            "POST /v1/load_lora_adapter": lambda: self.load_adapter(**body),
            "POST /v1/unload_lora_adapter": lambda: self.unload_adapter(**body),
            "POST /pause": lambda: self.pause(**{key: value for key, (value,) in parse_qs(parts.query).items()}),
            "POST /resume": lambda: self.resume(),
            "POST /collective_rpc": lambda: self.rpc(**body),
        }
        if f"{method} {parts.path}" not in routes:
            raise Refused(404, "Not Found")
        with self._lock:
            return routes[f"{method} {parts.path}"]()

    def completions(self, body):
        prompt = body["prompt"]
        choices = self.sampled(body, {"prompt"}, EncodedPrompt(prompt))
        return self.edit({"choices": [
            {
                "index": index, "text": "", "finish_reason": reason, "token_ids": ids, "prompt_token_ids": prompt,
                "logprobs": {"token_logprobs": values, "tokens": [""] * len(ids)},
            }
            for index, (ids, values, reason) in enumerate(choices)
        ]})  # fmt: skip

    def chat(self, body):
        (message,) = body["messages"]
        *pictures, text = message["content"]
        assert (message["role"], text["type"]) == ("user", "text")
        prompt = self.encoder.prompt(text["text"], [Picture(decoded(picture)) for picture in pictures])
        assert body["logprobs"] is True
        choices = self.sampled(body, {"messages", "top_logprobs"}, prompt)
        return self.edit({"prompt_token_ids": prompt.token_ids, "choices": [
            {
                "index": index, "message": {"role": "assistant", "content": ""}, "finish_reason": reason,
                "token_ids": ids, "logprobs": {"content": [{"token": "", "logprob": value} for value in values]},
            }
            for index, (ids, values, reason) in enumerate(choices)
        ]})  # fmt: skip

    def sampled(self, body, more, prompt):
        """Ids, log-probs and reason of `n` completions."""
        if set(body) != SAMPLING | more:
            raise Refused(400, f"other keys than documented: {set(body) ^ (SAMPLING | more)}")
        if body["model"] not in self.models:
            raise Refused(404, f"The model `{body['model']}` does not exist.")
        if self.is_paused or set(body["logit_bias"].values()) - {-100.0}:
            raise Refused(400, "paused, or a bias that is no suppression")
        assert [body[f"{name}_penalty"] for name in ("repetition", "presence", "frequency")] == [1.0, 0.0, 0.0]
        biased, temperature = [int(token) for token in body["logit_bias"]], body["temperature"]
        policy = Policy(self.models[body["model"]], suppressed_ids=biased, temperature=1.0, cached_pictures=0)
        decoding = Decoding(body["max_tokens"], temperature, body["top_k"], body["top_p"], body["min_p"])
        engine = NativeEngine(end_ids=body["stop_token_ids"], rows_per_batch=64)
        generator = torch.Generator().manual_seed(body["seed"])
        (group,) = engine.sample(policy, [prompt], body["n"], decoding, generator)
        log_probs = [completion.log_probs for completion in group]
        if self.logprobs_mode == "raw_logprobs":  # before temperature and suppression
            whole = Policy(policy.model, suppressed_ids=[], temperature=1.0, cached_pictures=0)
            ids = tuple(completion.token_ids for completion in group)
            log_probs = token_log_probs(whole, [PromptGroup(prompt, ids)]).log_probs.detach()
        return [
            (c.token_ids, values[: len(c.token_ids)].tolist(), "stop" if c.is_ended else "length")
            for c, values in zip(group, log_probs, strict=True)
        ]

    def load_adapter(self, lora_name, lora_path):
        if lora_name in self.models:
            raise Refused(400, f"The lora adapter '{lora_name}' has already been loaded.")
        base = copy.deepcopy(self.models["policy"])
        self.models[lora_name] = PeftModel.from_pretrained(base, lora_path).eval().get_base_model()
        return f"Success: LoRA adapter '{lora_name}' added successfully."

    def unload_adapter(self, lora_name):
        if lora_name not in self.models:
            raise Refused(404, f"The lora adapter '{lora_name}' cannot be found.")
        del self.models[lora_name]
        return f"Success: LoRA adapter '{lora_name}' removed successfully."

    def pause(self, mode):
        assert mode == "wait"
        self.is_paused = True
        return {"status": "paused"}

    def resume(self):
        self.is_paused = False
        return {"status": "resumed"}

    def rpc(self, method, kwargs):
        if not self.is_paused:
            raise Refused(400, "weights are exchanged while nothing is decoded")
        assert method == "reload_weights"
        self.models["policy"] = Qwen2_5_VLForConditionalGeneration.from_pretrained(kwargs["weights_path"]).eval()
        return {"results": [None]}


@contextmanager
def serving(fake):
    """Its address, while it answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer("GET", None)

        def do_POST(self):
            length = int(self.headers.get("Content-Length", 0))
            self.answer("POST", json.loads(self.rfile.read(length)) if length else None)

        def answer(self, method, body):
            status, result = 200, {"error": "unauthorized"}
            if (
                fake.api_key
                and self.path.startswith("/v1")
                and self.headers["Authorization"] != f"Bearer {fake.api_key}"
            ):
                status = 401
            else:
                try:
                    result = fake.handle(method, self.path, body)
                except Refused as refusal:
                    status, result = refusal.status, {"error": {"message": refusal.message}}
            is_text = isinstance(result, str)
            content = (result if is_text else json.dumps(result)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if is_text else "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
