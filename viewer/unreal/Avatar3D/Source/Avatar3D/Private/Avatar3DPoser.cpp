#include "Avatar3DPoser.h"

#include "Avatar3DAxes.h"

bool FAvatar3DPoser::Prepare(const TSharedPtr<const a3d::Avatar, ESPMode::ThreadSafe>& InAvatar)
{
	if (!InAvatar.IsValid() || !Posed.prepare(*InAvatar))
	{
		return false;
	}
	Avatar = InAvatar;
	const int32 Num = static_cast<int32>(InAvatar->gaussians);
	// The calm face, where nothing moves it.
	Frame = TArray<float>(InAvatar->calm.data(), static_cast<int32>(InAvatar->frame_size));
	Positions.SetNumZeroed(Num);
	Orientations.SetNumZeroed(Num);
	Scales.SetNumZeroed(Num);
	Colours.SetNumZeroed(Num);
	return true;
}

void FAvatar3DPoser::Pose(bool bLinearColours)
{
	if (!a3d::pose_frame(*Avatar, Frame.GetData(), Posed))
	{
		return;
	}
	for (int32 Index = 0; Index < Positions.Num(); ++Index)
	{
		const std::size_t At = static_cast<std::size_t>(Index);
		float Place[3], Turn[4], Size[3];
		Avatar3D::ToUnrealPosition(Posed.position[0][At], Posed.position[1][At], Posed.position[2][At], Place);
		Avatar3D::ToUnrealRotation(Posed.rotation[0][At], Posed.rotation[1][At], Posed.rotation[2][At], Posed.rotation[3][At], Turn);
		Avatar3D::ToUnrealScale(Posed.log_scale[0][At], Posed.log_scale[1][At], Posed.log_scale[2][At], Size);
		Positions[Index] = FVector(Place[0], Place[1], Place[2]);
		Orientations[Index] = FQuat(Turn[0], Turn[1], Turn[2], Turn[3]);
		Scales[Index] = FVector(Size[0], Size[1], Size[2]);
		float Channels[3];
		for (int32 Channel = 0; Channel < 3; ++Channel)
		{
			const float Value = Posed.colour[Channel][At];
			Channels[Channel] = bLinearColours ? Avatar3D::ToLinear(Value) : FMath::Max(Value, 0.0f);
		}
		Colours[Index] = FLinearColor(Channels[0], Channels[1], Channels[2], Posed.opacity[At]);
	}
}
