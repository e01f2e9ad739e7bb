// A Gaussian as a sprite that faces the camera: for the Custom HLSL node of the Niagara module that README.md describes.
//
// In:  float3 Center          of the Gaussian, in the emitter's space
//      float4 Orientation     x y z w
//      float3 Deviations      standard deviations along its axes
//      float3 Camera          in the emitter's space
//      float PixelAngle       radians that a pixel of the picture spans
// Out: float3 Place           Center, as a Position
//      float3 Facing          towards the camera
//      float3 Alignment       along the longer axis of the ellipse that is seen
//      float2 SpriteSize      three standard deviations to each side; y lies along Alignment
//
// The covariance is projected along the ray through the centre, as EWA splatting does, and widened by 0.3 square pixels.

Place = Center;
float3 Ray = Center - Camera;
float Distance = max(length(Ray), 0.0001);
Facing = float3(-Ray.x / Distance, -Ray.y / Distance, -Ray.z / Distance);

// Two directions across the ray.
float3 Up = abs(Facing.z) < 0.9 ? float3(0, 0, 1) : float3(1, 0, 0);
float3 Across = normalize(cross(Up, Facing));
float3 Along = cross(Facing, Across);

// The axes of the Gaussian, as long as its deviations.
float4 Q = Orientation;
float3 X = Deviations.x * float3(1 - 2 * (Q.y * Q.y + Q.z * Q.z), 2 * (Q.x * Q.y + Q.w * Q.z), 2 * (Q.x * Q.z - Q.w * Q.y));
float3 Y = Deviations.y * float3(2 * (Q.x * Q.y - Q.w * Q.z), 1 - 2 * (Q.x * Q.x + Q.z * Q.z), 2 * (Q.y * Q.z + Q.w * Q.x));
float3 Z = Deviations.z * float3(2 * (Q.x * Q.z + Q.w * Q.y), 2 * (Q.y * Q.z - Q.w * Q.x), 1 - 2 * (Q.x * Q.x + Q.y * Q.y));

// What is seen of them.
float Ax = dot(X, Across);
float Ay = dot(Y, Across);
float Az = dot(Z, Across);
float Bx = dot(X, Along);
float By = dot(Y, Along);
float Bz = dot(Z, Along);
float Pixel = Distance * PixelAngle;
float AA = Ax * Ax + Ay * Ay + Az * Az + 0.3 * Pixel * Pixel;
float AB = Ax * Bx + Ay * By + Az * Bz;
float BB = Bx * Bx + By * By + Bz * Bz + 0.3 * Pixel * Pixel;

// The ellipse's axes.
float Middle = 0.5 * (AA + BB);
float Spread = sqrt(max(0.25 * (AA - BB) * (AA - BB) + AB * AB, 0.0));
float Major = sqrt(Middle + Spread);
float Minor = sqrt(max(Middle - Spread, 0.0));
float Angle = 0.5 * atan2(2 * AB, AA - BB);
Alignment = cos(Angle) * Across + sin(Angle) * Along;
SpriteSize = float2(6 * Minor, 6 * Major);
