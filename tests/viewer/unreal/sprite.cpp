// The HLSL of the Niagara module as C++: what HLSL has of its own is made good here.
//   sprite FILE      float32 rows of 3 + 4 + 3 + 3 + 1 numbers, as the module takes them; 3 + 3 + 2 for each
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "../runtime/files.hpp"

struct float2 {
    float x, y;
    float2(double a = 0, double b = 0) : x(float(a)), y(float(b)) {}
};
struct float3 {
    float x, y, z;
    float3(double a = 0, double b = 0, double c = 0) : x(float(a)), y(float(b)), z(float(c)) {}
};
struct float4 {
    float x, y, z, w;
};

static float3 operator-(float3 a, float3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
static float3 operator+(float3 a, float3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
static float3 operator*(float a, float3 b) { return {a * b.x, a * b.y, a * b.z}; }
static float dot(float3 a, float3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static float3 cross(float3 a, float3 b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }
static float length(float3 a) { return std::sqrt(dot(a, a)); }
static float3 normalize(float3 a) { return (1 / length(a)) * a; }
static float max(double a, double b) { return float(a < b ? b : a); }
static float abs(float a) { return std::fabs(a); }
using std::atan2;
using std::cos;
using std::sin;
using std::sqrt;

static void sprite(float3 Center, float4 Orientation, float3 Deviations, float3 Camera, float PixelAngle, float3& Place, float3& Facing, float3& Alignment,
                   float2& SpriteSize) {
#include "GaussianSprite.hlsl"
}

int main(int, char** argv) {
    const std::vector<unsigned char> file = read_file(argv[1]);
    for (std::size_t at = 0; at + 56 <= file.size(); at += 56) {
        float v[14];
        std::memcpy(v, file.data() + at, sizeof v);
        float3 place, facing, alignment;
        float2 size;
        sprite({v[0], v[1], v[2]}, {v[3], v[4], v[5], v[6]}, {v[7], v[8], v[9]}, {v[10], v[11], v[12]}, v[13], place, facing, alignment, size);
        if (place.x != v[0] || place.y != v[1] || place.z != v[2]) return 1;
        const float out[8] = {facing.x, facing.y, facing.z, alignment.x, alignment.y, alignment.z, size.x, size.y};
        std::fwrite(out, sizeof out, 1, stdout);
    }
    return 0;
}
