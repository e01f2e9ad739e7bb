/** The Fourier transform of real windows whose length is a power of two. */

export class Fft {
  /** @param {number} size */
  constructor(size) {
    this.size = size;
    this.real = new Float64Array(size);
    this.imaginary = new Float64Array(size);
    this._cosine = Float64Array.from({ length: size / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / size));
    this._sine = Float64Array.from({ length: size / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / size));
    const bits = Math.log2(size);
    this._swap = Uint32Array.from({ length: size }, (_, i) => {
      let out = 0;
      for (let bit = 0; bit < bits; bit++) out |= ((i >> bit) & 1) << (bits - 1 - bit);
      return out;
    });
  }

  /** Transforms `real`, with nothing imaginary, in place: iterative, radix 2, decimation in time (Cooley and Tukey 1965). */
  transform() {
    const { size, real, imaginary, _cosine: cosine, _sine: sine, _swap: swap } = this;
    imaginary.fill(0);
    for (let i = 0; i < size; i++) {
      const j = swap[i];
      if (j > i) [real[i], real[j]] = [real[j], real[i]];
    }
    for (let half = 1; half < size; half *= 2) {
      const stride = size / (2 * half);
      for (let start = 0; start < size; start += 2 * half) {
        for (let k = 0; k < half; k++) {
          const [a, b] = [start + k, start + k + half];
          const [c, s] = [cosine[k * stride], sine[k * stride]];
          const [re, im] = [real[b] * c - imaginary[b] * s, real[b] * s + imaginary[b] * c];
          real[b] = real[a] - re;
          imaginary[b] = imaginary[a] - im;
          real[a] += re;
          imaginary[a] += im;
        }
      }
    }
  }
}
