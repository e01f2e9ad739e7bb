#pragma once

#include "CoreMinimal.h"

class USoundBase : public UObject
{
public:
	float Duration;
};
class USoundWave : public USoundBase
{
public:
	int32 NumChannels;
	void SetSampleRate(uint32 InSampleRate);
};
class USoundWaveProcedural : public USoundWave
{
public:
	void QueueAudio(const uint8* AudioData, const int32 BufferSize);
};
