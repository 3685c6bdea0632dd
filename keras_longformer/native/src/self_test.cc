// Runs every kernel of this machine on odd shapes and compares with a plain
// double-precision definition. Buffers are exactly as large as they must be, so
// that a build with -fsanitize=address,undefined finds any step outside them.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "schedule.h"

namespace keras_longformer {
namespace {

using Bytes = std::unique_ptr<uint8_t[]>;

struct Case {
  int64_t b, n, h, d, g, reach;
  bool causal;
  std::vector<int64_t> dilation;
  bool key_mask, global_key_mask;
  DataType dtype;
  int64_t segments = 0;  // 0: all of one; else of about so many tokens
  bool positions = false;
  uint32_t threshold = 0;  // of dropout

  int64_t Offsets() const { return (causal ? reach : 2 * reach) + 1; }
  int64_t ScoreColumns() const { return g + 2 * reach + 1; }
};

// A tensor as the kernels get it, and the same numbers as doubles.
struct Tensor {
  DataType dtype;
  int64_t size;
  Bytes data;
  std::vector<double> values;

  Tensor(DataType dtype, int64_t size)
      : dtype(dtype), size(size), data(new uint8_t[Width() * size]) {
    std::memset(data.get(), 0xff, Width() * size);  // NaN until written
  }
  int64_t Width() const { return dtype == DataType::kFloat32 ? 4 : 2; }

  void Fill(std::mt19937* random) {
    std::normal_distribution<float> normal;
    values.resize(size);
    for (int64_t i = 0; i < size; ++i) {
      float x = normal(*random);
      uint32_t bits;
      std::memcpy(&bits, &x, 4);
      if (dtype == DataType::kBFloat16) bits &= 0xffff0000;
      std::memcpy(&x, &bits, 4);
      values[i] = x;
      std::memcpy(data.get() + Width() * i,
                  reinterpret_cast<uint8_t*>(&bits) + 4 - Width(), Width());
    }
  }
  double At(int64_t i) const {
    uint32_t bits = 0;
    std::memcpy(reinterpret_cast<uint8_t*>(&bits) + 4 - Width(),
                data.get() + Width() * i, Width());
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
  }
};

constexpr int32_t kSeed[] = {-7, 2147483647};

uint32_t Mix(uint32_t key, uint32_t x) {
  uint32_t z = (key ^ x) + 0x9e3779b9;
  z = (z ^ (z >> 16)) * 0x85ebca6b;
  z = (z ^ (z >> 13)) * 0xc2b2ae35;
  return z ^ (z >> 16);
}

// What dropout makes of a weight: keras_longformer/ops/dropout.py.
double Factor(const Case& c, uint32_t b, uint32_t h, uint32_t q,
              uint32_t number, bool is_global) {
  uint32_t keys[] = {1, 2};
  for (uint32_t& key : keys) {
    for (const uint32_t x : {uint32_t(kSeed[0]), uint32_t(kSeed[1]), b, h}) {
      key = Mix(key, x);
    }
  }
  const uint32_t pair = number / 2 + (is_global ? 1u << 31 : 0);
  uint32_t z = (Mix(keys[0], q) | 1) * (Mix(keys[1], pair) | 1);
  z = (z ^ (z >> 16)) * 0xc2b2ae35;
  const uint32_t half = number % 2 ? z >> 16 : z & 0xffff;
  return half < c.threshold ? 0 : 65536.0 / (65536 - c.threshold);
}

struct Expected {
  std::vector<double> output, scores, dq, dk, dv, dgk, dgv, dpq, dpk;
};

// Softmax attention of each query over the keys it sees, and its gradients.
Expected Reference(const Case& c, const uint8_t* key_mask,
                   const uint8_t* global_mask, const int32_t* segments,
                   const int32_t* global_segments, const Tensor& q,
                   const Tensor& k, const Tensor& v, const Tensor& gk,
                   const Tensor& gv, const Tensor& pq, const Tensor& pk,
                   const Tensor& grad) {
  Expected e;
  e.output.resize(q.size);
  e.scores.resize(c.b * c.h * c.n * c.ScoreColumns());
  e.dq.resize(q.size);
  e.dk.resize(q.size);
  e.dv.resize(q.size);
  e.dgk.resize(gk.size);
  e.dgv.resize(gk.size);
  e.dpq.resize(pq.size);
  e.dpk.resize(pk.size);
  const double scale = 1 / std::sqrt(static_cast<double>(c.d));
  for (int64_t b = 0; b < c.b; ++b) {
    for (int64_t h = 0; h < c.h; ++h) {
      for (int64_t i = 0; i < c.n; ++i) {
        struct Seen {
          const double *key, *value;
          double *dk, *dv;
          double weight;
          int64_t row;    // of pk, or -1
          int64_t column;  // of scores
          double factor;  // of dropout
        };
        std::vector<Seen> seen;
        for (int64_t j = 0; j < c.g; ++j) {
          if (global_mask && !global_mask[b * c.g + j]) continue;
          if (segments &&
              segments[b * c.n + i] != global_segments[b * c.g + j]) {
            continue;
          }
          const int64_t at = ((b * c.g + j) * c.h + h) * c.d;
          seen.push_back({&gk.values[at], &gv.values[at], &e.dgk[at],
                          &e.dgv[at], 0, -1, j, Factor(c, b, h, i, j, true)});
        }
        for (int64_t j = 0; j < c.n; ++j) {
          const int64_t s = c.dilation[h];
          if ((j - i) % s != 0 || std::llabs(j - i) / s > c.reach) continue;
          if (c.causal && j > i) continue;
          if (key_mask && !key_mask[b * c.n + j]) continue;
          if (segments && segments[b * c.n + i] != segments[b * c.n + j]) {
            continue;
          }
          const int64_t at = ((b * c.n + j) * c.h + h) * c.d;
          const int64_t offset = (j - i) / s + c.reach;
          seen.push_back({&k.values[at], &v.values[at], &e.dk[at], &e.dv[at],
                          0, c.positions ? (offset * c.h + h) * c.d : -1,
                          c.g + offset,
                          Factor(c, b, h, i, j / s, false)});
        }
        const int64_t at = ((b * c.n + i) * c.h + h) * c.d;
        double peak = -INFINITY, sum = 0, delta = 0;
        for (Seen& s : seen) {
          for (int64_t x = 0; x < c.d; ++x) {
            s.weight += scale * q.values[at + x] * s.key[x];
            if (s.row < 0) continue;
            s.weight += scale * pq.values[at + x] * pk.values[s.row + x];
          }
          peak = std::max(peak, s.weight);
        }
        for (Seen& s : seen) sum += s.weight = std::exp(s.weight - peak);
        for (Seen& s : seen) {
          s.weight /= sum;
          e.scores[((b * c.h + h) * c.n + i) * c.ScoreColumns() + s.column] =
              s.weight;
          for (int64_t x = 0; x < c.d; ++x) {
            e.output[at + x] += s.weight * s.factor * s.value[x];
          }
        }
        for (int64_t x = 0; x < c.d; ++x) {
          delta += grad.values[at + x] * e.output[at + x];
        }
        for (Seen& s : seen) {
          double change = 0;
          for (int64_t x = 0; x < c.d; ++x) {
            change += grad.values[at + x] * s.factor * s.value[x];
          }
          const double score = s.weight * (change - delta) * scale;
          for (int64_t x = 0; x < c.d; ++x) {
            s.dv[x] += s.weight * s.factor * grad.values[at + x];
            s.dk[x] += score * q.values[at + x];
            e.dq[at + x] += score * s.key[x];
            if (s.row < 0) continue;
            e.dpq[at + x] += score * pk.values[s.row + x];
            e.dpk[s.row + x] += score * pq.values[at + x];
          }
        }
      }
    }
  }
  return e;
}

double Distance(const Tensor& got, const std::vector<double>& want) {
  double worst = 0, largest = 1;
  for (int64_t i = 0; i < got.size; ++i) {
    const double error = std::fabs(got.At(i) - want[i]);
    if (!(error <= worst)) worst = std::isnan(error) ? INFINITY : error;
    largest = std::max(largest, std::fabs(want[i]));
  }
  return worst / largest;
}

void Run(const Problem& p, Pass pass, int num_threads) {
  Job job(p, pass, num_threads);
  std::vector<std::thread> threads;
  for (int i = 1; i < num_threads; ++i) {
    threads.emplace_back([&job] { job.Work(); });
  }
  job.Work();
  if (!job.Wait()) std::abort();
  for (std::thread& thread : threads) thread.join();
}

bool Check(const Case& c, int number) {
  std::mt19937 random(number);
  const int64_t size = c.b * c.n * c.h * c.d, globals = c.b * c.g * c.h * c.d;
  Tensor q(c.dtype, size), k(c.dtype, size), v(c.dtype, size);
  Tensor gk(c.dtype, globals), gv(c.dtype, globals), grad(c.dtype, size);
  const int64_t positions = c.positions ? size : 0;
  const int64_t rows = c.positions ? c.Offsets() * c.h * c.d : 0;
  Tensor pq(c.dtype, positions), pk(c.dtype, rows);
  for (Tensor* t : {&q, &k, &v, &gk, &gv, &pq, &pk, &grad}) t->Fill(&random);
  Bytes key_mask(new uint8_t[c.b * c.n]), global_mask(new uint8_t[c.b * c.g]);
  for (int64_t i = 0; i < c.b * c.n; ++i) key_mask[i] = random() % 4 != 0;
  for (int64_t i = 0; i < c.b * c.g; ++i) global_mask[i] = random() % 3 != 0;
  std::vector<int32_t> segments(c.b * c.n), global_segments(c.b * c.g);
  int32_t segment = 0;
  for (int32_t& s : segments) {
    if (c.segments && random() % c.segments == 0) segment = random() % 7;
    s = segment;
  }
  for (int32_t& s : global_segments) s = random() % 7;
  Tensor output(c.dtype, size), dq(c.dtype, size), dk(c.dtype, size);
  Tensor dv(c.dtype, size), dgk(c.dtype, globals), dgv(c.dtype, globals);
  Tensor dpq(c.dtype, positions), dpk(c.dtype, rows);
  Tensor scores(c.dtype, c.b * c.h * c.n * c.ScoreColumns());
  std::unique_ptr<float[]> log_sum(new float[c.b * c.h * c.n]);

  Problem p = {};
  p.dtype = c.dtype;
  p.b = c.b, p.n = c.n, p.h = c.h, p.d = c.d, p.g = c.g;
  p.reach = c.reach, p.causal = c.causal, p.dilation = c.dilation.data();
  p.query = q.data.get(), p.key = k.data.get(), p.value = v.data.get();
  p.key_mask = c.key_mask ? key_mask.get() : nullptr;
  p.global_key = gk.data.get(), p.global_value = gv.data.get();
  p.global_key_mask = c.global_key_mask ? global_mask.get() : nullptr;
  if (c.segments) {
    p.segments = segments.data();
    p.global_segments = global_segments.data();
  }
  if (c.positions) {
    p.position_query = pq.data.get(), p.position_key = pk.data.get();
    p.position_query_gradient = dpq.data.get();
    p.position_key_gradient = dpk.data.get();
  }
  p.seed = kSeed, p.threshold = c.threshold;
  p.output = output.data.get(), p.log_sum = log_sum.get();
  p.scores = scores.data.get();
  p.output_gradient = grad.data.get();
  p.query_gradient = dq.data.get(), p.key_gradient = dk.data.get();
  p.value_gradient = dv.data.get();
  p.global_key_gradient = dgk.data.get();
  p.global_value_gradient = dgv.data.get();
  Run(p, kForward, 3);
  Run(p, kBackward, 3);
  Run(p, kScores, 3);
  // The same bits from one thread.
  if (c.positions || c.threshold || c.dtype == DataType::kBFloat16) {
    const Tensor* results[] = {&output, &scores, &dq, &dk, &dv,
                               &dgk, &dgv, &dpk};
    std::vector<std::vector<uint8_t>> first;
    for (const Tensor* t : results) {
      first.emplace_back(t->data.get(), t->data.get() + t->Width() * t->size);
    }
    Run(p, kForward, 1);
    Run(p, kBackward, 1);
    Run(p, kScores, 1);
    bool same = true;
    for (size_t i = 0; i < first.size(); ++i) {
      same &= std::equal(first[i].begin(), first[i].end(),
                         results[i]->data.get());
    }
    if (!same) {
      std::printf("BAD %s: threads change bits\n", CurrentKernels()->name);
      return false;
    }
  }

  const Expected e = Reference(c, p.key_mask, p.global_key_mask, p.segments,
                               p.global_segments, q, k, v, gk, gv, pq, pk, grad);
  const double errors[] = {
      Distance(output, e.output), Distance(dq, e.dq),   Distance(dk, e.dk),
      Distance(dv, e.dv),         Distance(dgk, e.dgk), Distance(dgv, e.dgv),
      Distance(dpq, e.dpq),       Distance(dpk, e.dpk),
      Distance(scores, e.scores)};
  // The largest rounding errors seen are a quarter of these.
  const double most = c.dtype == DataType::kFloat32 ? 4e-6 : 4e-2;
  bool good = true;
  for (const double error : errors) good &= error <= most;
  if (!good || std::getenv("VERBOSE")) {
    std::printf(
        "%s %s b=%ld n=%ld h=%ld d=%ld g=%ld reach=%ld causal=%d dilation=%ld "
        "masks=%d%d segments=%ld positions=%d threshold=%u bf16=%d: output %.1e dq %.1e "
        "dk %.1e dv %.1e dgk %.1e dgv %.1e dpq %.1e dpk %.1e "
        "scores %.1e\n",
        good ? "good" : "BAD", CurrentKernels()->name, (long)c.b, (long)c.n,
        (long)c.h, (long)c.d, (long)c.g, (long)c.reach, c.causal,
        (long)c.dilation[0], c.key_mask, c.global_key_mask, (long)c.segments,
        c.positions, c.threshold, c.dtype == DataType::kBFloat16, errors[0],
        errors[1], errors[2], errors[3], errors[4], errors[5], errors[6],
        errors[7], errors[8]);
  }
  return good;
}

std::vector<Case> Cases() {
  const DataType f = DataType::kFloat32, h = DataType::kBFloat16;
  std::vector<Case> cases = {
      {1, 0, 1, 3, 0, 2, false, {1}, true, true, f},
      {0, 7, 2, 3, 2, 2, false, {1, 1}, true, true, f},
      {2, 0, 1, 3, 5, 2, false, {1}, true, true, f},
      {1, 1, 1, 1, 0, 0, false, {1}, false, false, f},
      {1, 1, 1, 1, 1, 0, true, {1}, true, true, f},
      {2, 37, 3, 5, 0, 4, false, {1, 1, 1}, true, false, f},
      {2, 37, 3, 5, 7, 4, true, {1, 2, 3}, true, true, f},
      {1, 150, 2, 17, 65, 31, false, {2, 5}, true, true, f},
      {1, 300, 1, 64, 1, 256, false, {1}, false, false, f},
      {1, 300, 1, 64, 3, 1000, false, {1}, true, true, h},
      {1, 300, 1, 65, 0, 64, true, {1}, false, false, f},
      {1, 129, 1, 256, 2, 63, false, {1}, true, true, f},
      {1, 200, 2, 33, 4, 65, true, {64, 300}, true, false, h},
      {1, 2200, 1, 8, 2, 100, false, {1}, true, true, f},
      {2, 700, 2, 33, 3, 100, false, {1, 2}, true, true, f, 90},
      {1, 700, 1, 33, 0, 1000, true, {1}, false, false, h, 200},
      {1, 1, 1, 1, 0, 0, true, {1}, false, false, f, 0, true},
      {2, 0, 1, 3, 0, 2, false, {1}, true, false, f, 0, true},
      {1, 300, 1, 64, 0, 1000, false, {1}, false, false, f, 0, true},
      {1, 2200, 1, 8, 0, 100, true, {1}, true, false, f, 0, true},
      {1, 129, 1, 256, 0, 63, false, {1}, true, false, h, 0, true},
      {2, 200, 2, 33, 0, 65, true, {3, 300}, true, false, f, 90, true},
      {2, 37, 3, 5, 7, 4, true, {1, 2, 3}, true, true, f, 0, false, 6554},
      {1, 1300, 2, 17, 67, 131, false, {1, 3}, true, true, f, 90, false, 19661},
      {2, 200, 2, 33, 0, 65, true, {3, 300}, true, false, f, 90, true, 32768},
      {1, 300, 1, 64, 3, 1000, false, {1}, true, true, h, 0, false, 13107},
  };
  std::mt19937 random(0);
  const auto any = [&](int64_t most) { return int64_t(random() % (most + 1)); };
  for (int i = 0; i < 60; ++i) {
    Case c = {1 + any(1), 1 + any(260), 1 + any(2), 1 + any(70), any(1) * any(70),
              any(any(1) ? 10 : 300), any(1) == 1, {}, any(1) == 1, any(1) == 1,
              any(3) ? f : h, any(1) * (1 + any(90))};
    for (int64_t j = 0; j < c.h; ++j) c.dilation.push_back(1 + any(1) * any(9));
    c.positions = c.g == 0 && i % 2 == 0;
    if (i % 3 == 0) c.threshold = 1 + 643 * i;
    cases.push_back(c);
  }
  return cases;
}

}  // namespace
}  // namespace keras_longformer

int main() {
  using namespace keras_longformer;
  int bad = 0, number = 0;
  for (const char* name : {"portable", "avx2", "avx512", "avx512_bf16", "amx"}) {
    if (!ChooseKernels(name)) {
      std::printf("%s: not on this machine\n", name);
      continue;
    }
    // What is float32 or has positions is computed by "avx512" there.
    const bool newer =
        !std::strcmp(name, "amx") || !std::strcmp(name, "avx512_bf16");
    for (Case c : Cases()) {
      if (newer && c.positions) continue;
      if (newer) c.dtype = DataType::kBFloat16;
      bad += !Check(c, number++);
    }
  }
  std::printf("%d runs, %d bad\n", number, bad);
  return bad != 0;
}
