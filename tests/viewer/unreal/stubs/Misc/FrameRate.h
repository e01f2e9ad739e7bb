#pragma once

#include "CoreMinimal.h"

struct FFrameNumber
{
	int32 Value;
};
struct FFrameTime
{
	FFrameNumber FrameNumber;
};
struct FFrameRate
{
	int32 Numerator;
	int32 Denominator;
	FFrameRate();
	FFrameRate(uint32 InNumerator, uint32 InDenominator);
	FFrameTime AsFrameTime(double InTimeInSeconds) const;
};
