"""Four frameworks with one face: what a convolutional network needs of each, and which one is there."""

import importlib
import os


class Torch:
    """PyTorch; images are 1 x channels x height x width."""

    def __init__(self, device):
        import torch

        self.torch = torch
        gpu = device != "cpu" and torch.cuda.is_available()
        self.device = torch.device("cuda:0" if gpu else "cpu")
        self.gpu = torch.cuda.get_device_name(0) if gpu else ""
        self.threads = torch.get_num_threads()
        self.version = torch.__version__
        torch.set_grad_enabled(False)

    def weights(self, values, shape):
        """Return a kernel: height x width x inputs x outputs, from an array of floats."""
        kernel = self.torch.tensor(values, device=self.device).reshape(shape)
        return kernel.permute(3, 2, 0, 1).contiguous()

    def wave(self, width, height, across, down, bend):
        """Return one color of the made image, between -1 and 1."""
        x = self.torch.arange(width, dtype=self.torch.float32, device=self.device)[None, :]
        y = self.torch.arange(height, dtype=self.torch.float32, device=self.device)[:, None]
        return self.torch.sin(x / across + bend * self.torch.sin(y / down))

    def image(self, waves):
        """Put three colors together to an image."""
        return self.torch.stack(waves)[None]

    def convolve(self, image, kernel, stride):
        """Convolve over the edges, which are mirrored."""
        edge = kernel.shape[-1] // 2
        padded = self.torch.nn.functional.pad(image, (edge, edge, edge, edge), mode="reflect")
        return self.torch.nn.functional.conv2d(padded, kernel, stride=stride)

    def normalize(self, image):
        """Give each channel mean 0 and deviation 1."""
        return self.torch.nn.functional.instance_norm(image)

    def relu(self, image):
        """Return the image without what is negative; the old one may be gone."""
        return self.torch.relu_(image)

    def larger(self, image):
        """Return it twice as wide and high."""
        return self.torch.nn.functional.interpolate(image, scale_factor=2, mode="nearest")

    def bytes(self, image, width, height):
        """Return the upper left part as 3 bytes a pixel."""
        rows = ((self.torch.tanh(image[0, :, :height, :width]) + 1) * 127.5).round().to(self.torch.uint8)
        rows = rows.permute(1, 2, 0).contiguous().cpu()
        # Without numpy the storage itself is the only quick way to the bytes.
        return rows.numpy().tobytes() if has("numpy") else bytes(rows.untyped_storage())

    def wait(self):
        """Return once all that was asked for is done."""
        if self.gpu:
            self.torch.cuda.synchronize()


class Numpy:
    """numpy alone, on the CPU; images are height x width x channels."""

    def __init__(self, device):
        import numpy

        self.np, self.lib = numpy, numpy
        self.gpu, self.version, self.threads = "", numpy.__version__, 0

    def weights(self, values, shape):
        """Return a kernel: height x width x inputs x outputs, from an array of floats."""
        return self.np.frombuffer(values, self.np.float32).reshape(shape)

    def wave(self, width, height, across, down, bend):
        """Return one color of the made image, between -1 and 1."""
        x = self.lib.arange(width, dtype="float32")[None, :]
        y = self.lib.arange(height, dtype="float32")[:, None]
        return self.lib.sin(x / across + bend * self.lib.sin(y / down))

    def image(self, waves):
        """Put three colors together to an image."""
        return self.lib.stack(waves, axis=-1)

    def pad(self, image, edge):
        """Return it with mirrored edges."""
        return self.lib.pad(image, ((edge, edge), (edge, edge), (0, 0)), mode="reflect")

    def convolve(self, image, kernel, stride):
        """Convolve over the edges, which are mirrored."""
        size = kernel.shape[0]
        high, wide = -(-image.shape[0] // stride), -(-image.shape[1] // stride)
        padded = self.pad(image, size // 2)
        out = self.np.zeros((high, wide, kernel.shape[3]), self.np.float32)
        for y in range(size):
            for x in range(size):
                part = padded[y : y + stride * high : stride, x : x + stride * wide : stride]
                out += part[:high, :wide] @ kernel[y, x]
        return out

    def normalize(self, image):
        """Give each channel mean 0 and deviation 1."""
        mean = image.mean(axis=(0, 1), keepdims=True)
        return (image - mean) / self.lib.sqrt(image.var(axis=(0, 1), keepdims=True) + 1e-5)

    def relu(self, image):
        """Return the image without what is negative; the old one may be gone."""
        return self.lib.maximum(image, 0)

    def larger(self, image):
        """Return it twice as wide and high."""
        return self.lib.repeat(self.lib.repeat(image, 2, axis=0), 2, axis=1)

    def bytes(self, image, width, height):
        """Return the upper left part as 3 bytes a pixel."""
        part = self.np.asarray(image)[:height, :width]
        return self.np.round((self.np.tanh(part) + 1) * 127.5).astype(self.np.uint8).tobytes()

    def wait(self):
        """Return once all that was asked for is done."""
        pass


class Jax(Numpy):
    """JAX; it works as numpy does, but for the convolution."""

    def __init__(self, device):
        if device == "cpu":
            os.environ["JAX_PLATFORMS"] = "cpu"
        import jax
        import jax.numpy

        super().__init__(device)
        self.jax, self.lib, self.version = jax, jax.numpy, jax.__version__
        one = jax.devices()[0]
        self.gpu = "" if one.platform == "cpu" else str(getattr(one, "device_kind", one))
        self._last = None

    def convolve(self, image, kernel, stride):
        """Convolve over the edges, which are mirrored."""
        padded = self.pad(image, kernel.shape[0] // 2)[None]
        numbers = ("NHWC", "HWIO", "NHWC")
        convolve = self.jax.lax.conv_general_dilated
        self._last = convolve(padded, kernel, (stride, stride), "VALID", dimension_numbers=numbers)[0]
        return self._last

    def wait(self):
        """Return once all that was asked for is done."""
        if self._last is not None:
            self._last.block_until_ready()


class Tensorflow(Numpy):
    """TensorFlow 2; images are height x width x channels, as its CPU convolutions want them."""

    def __init__(self, device):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import tensorflow

        super().__init__(device)
        self.tf, self.version = tensorflow, tensorflow.__version__
        seen = tensorflow.config.list_physical_devices("GPU")
        if device == "cpu":
            tensorflow.config.set_visible_devices([], "GPU")
            seen = []
        for gpu in seen:
            tensorflow.config.experimental.set_memory_growth(gpu, True)
        details = tensorflow.config.experimental.get_device_details(seen[0]) if seen else {}
        self.gpu = str(details.get("device_name") or seen[0].name) if seen else ""
        self._last = None

    def wave(self, width, height, across, down, bend):
        """Return one color of the made image, between -1 and 1."""
        x = self.tf.range(width, dtype="float32")[None, :]
        y = self.tf.range(height, dtype="float32")[:, None]
        return self.tf.sin(x / across + bend * self.tf.sin(y / down))

    def image(self, waves):
        """Put three colors together to an image."""
        return self.tf.stack(waves, axis=-1)

    def convolve(self, image, kernel, stride):
        """Convolve over the edges, which are mirrored."""
        edge = kernel.shape[0] // 2
        padded = self.tf.pad(image, ((edge, edge), (edge, edge), (0, 0)), mode="REFLECT")
        self._last = self.tf.nn.conv2d(padded[None], kernel, strides=stride, padding="VALID")[0]
        return self._last

    def normalize(self, image):
        """Give each channel mean 0 and deviation 1."""
        mean, variance = self.tf.nn.moments(image, axes=(0, 1), keepdims=True)
        return (image - mean) * self.tf.math.rsqrt(variance + 1e-5)

    def relu(self, image):
        """Return the image without what is negative; the old one may be gone."""
        return self.tf.nn.relu(image)

    def larger(self, image):
        """Return it twice as wide and high."""
        return self.tf.repeat(self.tf.repeat(image, 2, axis=0), 2, axis=1)

    def wait(self):
        """Return once all that was asked for is done."""
        if self._last is not None:
            float(self._last[0, 0, 0])  # reading one value waits for all before it


FRAMEWORKS = {"torch": Torch, "tensorflow": Tensorflow, "jax": Jax, "numpy": Numpy}
"""In the order in which they are tried."""


def say(what, words):
    """Print one line of the report."""
    print(f"{what:<12} {words}", flush=True)


def has(name):
    """Tell whether a module can be imported."""
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def choose(wanted, device):
    """Return the name and the framework: the wanted one, else the first that can be used; or None."""
    for name in [wanted] if wanted else list(FRAMEWORKS):
        try:
            return name, FRAMEWORKS[name](device)
        except ModuleNotFoundError:
            continue
        except Exception as error:  # a framework that is there but broken is named, and the next is tried
            say(name, f"is there, but cannot be used: {type(error).__name__}: {error}")
    return None, None
