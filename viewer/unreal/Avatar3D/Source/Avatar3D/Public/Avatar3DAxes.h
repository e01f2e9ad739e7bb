// From avatar3d's axes to Unreal's. Nothing here needs the engine, so that it is tested without one.

#pragma once

#include <cmath>

/**
 * avatar3d: metres, right-handed, x the subject's left, y up, z out of the face.
 * Unreal: centimetres, left-handed, x forward, y right, z up.
 *
 * A point (x, y, z) becomes 100 (z, -x, y): a face looks along Unreal's forward, and nothing is mirrored. With M the matrix of that, a rotation R becomes
 * M R M^T, whose axis is -M times R's, since M turns a right-handed system into a left-handed one. Standard deviations along the axes change places as M
 * says, so that the covariance becomes M times it times M^T.
 */
namespace Avatar3D
{
	constexpr double CentimetresPerMetre = 100;

	/** Metres to centimetres, x y z. */
	template <typename T>
	void ToUnrealPosition(T X, T Y, T Z, T* Out)
	{
		Out[0] = static_cast<T>(CentimetresPerMetre) * Z;
		Out[1] = static_cast<T>(-CentimetresPerMetre) * X;
		Out[2] = static_cast<T>(CentimetresPerMetre) * Y;
	}

	/** w x y z to Unreal's x y z w, normalised; what has no length becomes the identity. */
	template <typename T>
	void ToUnrealRotation(T W, T X, T Y, T Z, T* Out)
	{
		const T Squared = W * W + X * X + Y * Y + Z * Z;
		if (!(Squared > T(1e-24)))
		{
			Out[0] = Out[1] = Out[2] = 0;
			Out[3] = 1;
			return;
		}
		const T Scale = 1 / std::sqrt(Squared);
		Out[0] = -Z * Scale;
		Out[1] = X * Scale;
		Out[2] = -Y * Scale;
		Out[3] = W * Scale;
	}

	/** Logarithms of standard deviations in metres to standard deviations in centimetres, along the axes of ToUnrealRotation. */
	template <typename T>
	void ToUnrealScale(T LogX, T LogY, T LogZ, T* Out)
	{
		Out[0] = static_cast<T>(CentimetresPerMetre) * std::exp(LogZ);
		Out[1] = static_cast<T>(CentimetresPerMetre) * std::exp(LogX);
		Out[2] = static_cast<T>(CentimetresPerMetre) * std::exp(LogY);
	}

	/** A colour 0..1 of sRGB as linear light, in which Unreal's materials compute. */
	template <typename T>
	T ToLinear(T Value)
	{
		const T Bounded = Value < 0 ? T(0) : Value;
		return Bounded <= T(0.04045) ? Bounded / T(12.92) : std::pow((Bounded + T(0.055)) / T(1.055), T(2.4));
	}
}
