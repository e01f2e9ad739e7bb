#pragma once

#include "CoreMinimal.h"

#include "Avatar3DRuntime.h"

/** Poses a head and has its Gaussians as Niagara takes them. One thread at a time; the game thread prepares and reads, a worker poses. */
class FAvatar3DPoser
{
public:
	/** Whether there was room for that avatar. */
	bool Prepare(const TSharedPtr<const a3d::Avatar, ESPMode::ThreadSafe>& InAvatar);

	/** Pose the frame. */
	void Pose(bool bLinearColours);

	const a3d::Avatar* GetAvatar() const { return Avatar.Get(); }

	/** [frame_size] to be posed next. */
	TArray<float> Frame;

	/** Centimetres, in the owner's space; standard deviations; colours with opacity as alpha. */
	TArray<FVector> Positions;
	TArray<FQuat> Orientations;
	TArray<FVector> Scales;
	TArray<FLinearColor> Colours;

private:
	TSharedPtr<const a3d::Avatar, ESPMode::ThreadSafe> Avatar;
	a3d::Pose Posed;
};
